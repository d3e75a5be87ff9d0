"""The dashboard's own looks: its icon in the browser's tab, and what CSS the pages' HTML needs."""

# A :material/...: icon in its place would be fetched from Google's servers by every browser.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#2f54eb"/>'
    '<path d="M8 17l5 5 11-12" fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/></svg>'
)
CSS = """
<style>
.block-container { padding: 3.5rem 2.5rem 3rem; }
[data-testid="InputInstructions"] { display: none; }  /* in English only, whatever the page's language */
mark { background: #ffe58f; color: inherit; padding: 0 .1em; border-radius: .2em; }
mark.many { background: #ffc069; }
mark.masked { background: #d6e4ff; }
mark[data-by]::after {
  content: attr(data-by); font-size: .65em; vertical-align: super; opacity: .75; padding-left: .2em;
}
.passage {
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.55; unicode-bidi: plaintext;
  max-height: 26rem; overflow-y: auto; padding: .7rem .9rem;
  border: 1px solid rgba(128, 128, 128, .3); border-radius: .5rem;
}
.passage.code { font-family: "Source Code Pro", monospace; font-size: .87em; }
.sheet { overflow-x: auto; }
.sheet table { border-collapse: collapse; width: 100%; font-size: .92em; }
.sheet th { text-align: left; font-weight: 600; opacity: .7; }
.sheet th, .sheet td {
  padding: .4rem .8rem .4rem 0; border-bottom: 1px solid rgba(128, 128, 128, .25);
  vertical-align: top;
}
.sheet td { overflow-wrap: anywhere; }
.sheet .number + * { padding-left: .8rem; }
.sheet .number {
  text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.st-key-review_list { max-height: 46rem; overflow-y: auto; }
@media (max-width: 640px) {
  .block-container { padding-left: 1rem; padding-right: 1rem; }
  .st-key-review_list { max-height: 14rem; }
}
</style>
"""
