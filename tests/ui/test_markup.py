"""Pages of somebody else's: what holds them."""

import re
from pathlib import Path

from ui.markup import POLICY, closed, sandboxed


def test_a_report_cannot_leave_its_frame() -> None:
    framed = sandboxed('<script>"</iframe><script>alert(1)</script>', 10)
    assert framed.count("<script>") == 0
    assert framed.count("</iframe>") == 1
    assert 'sandbox="allow-scripts"' in framed


def test_a_report_is_held_to_the_gateways_own_policy_in_the_page_and_as_a_file() -> None:
    door = (Path(__file__).parents[2] / "gateway/rest/drift.py").read_text()
    header = door.split('"content-security-policy": ')[1].split(',\n    "x-content')[0]
    assert "".join(re.findall('"([^"]*)"', header)) == f"sandbox allow-scripts; {POLICY}"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    framed = sandboxed("<p>report</p>", 10)
    assert framed.index(policy) < framed.index("<iframe")
    page = "\n <!DOCTYPE html>\n<html><head></head></html>"
    assert closed(page) == page.replace("\n<html>", f"{policy}\n<html>")
    assert closed("<script>1</script>") == f"{policy}<script>1</script>"
    assert closed('<!doctype html x="><script>1</script>').index(policy) == len('<!doctype html x=">')
