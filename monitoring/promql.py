"""The PromQL that panels share."""

# What the objective of classifiers is about: a template of a route, in which .name. is {name}.
CLASSIFIERS = 'route=~"/predict.*|/v1/models/.name.:predict|/v2/models/.+/infer"'
CHAT = 'route="/v1/chat/completions"'
ROUTE = 'route=~"$route"'  # as chosen on the dashboard
MODEL = 'model=~"$model"'
_AS_DRAWN = "$__rate_interval"  # four scrapes at least, or a point of the drawing


def rate(metric: str, by: str = "", where: str = "") -> str:
    """What a counter rises by in a second, added up."""
    return f"sum{_by(by)}(rate({metric}{_where(where)}[{_AS_DRAWN}]))"


def share(metric: str, by: str, bad: str, where: str = "") -> str:
    """How much of what a counter counts is `bad`; nothing where there is none."""
    return f"{rate(metric, by, ','.join(filter(None, (where, bad))))} / {rate(metric, by, where)}"


def quantile(q: float, histogram: str, by: str = "", where: str = "", window: str = _AS_DRAWN) -> str:
    """Seconds within which a share `q` lay."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum{_by(labels)}(rate({histogram}_bucket{_where(where)}[{window}])))"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""


def _where(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""
