"""IvrSipDialog, IvrSipRequest, IvrSipReply (ivr-api §3.4 to §3.6, old names of §11)."""

from __future__ import annotations

import pytest

from ivrbench.scriptapi.sipviews import IvrSipDialog, IvrSipReply, IvrSipRequest
from tests.scriptapi.fakes import FakeDialog, FakeHost, FakeReply, FakeRequest


def shown(obj: object, names: str) -> dict[str, object]:
    return {name: getattr(obj, name) for name in names.split()}


def test_dialog_attributes() -> None:
    """Every attribute, live; only remote_uri can be set, to a str."""
    view = FakeDialog(route="Route: <sip:p;lr>\r\n", outbound_proxy="sip:p")
    dialog = IvrSipDialog(view)
    names = (
        "user domain local_uri remote_uri callid remote_tag local_tag remote_party local_party "
        "route outbound_proxy cseq status"
    )
    assert shown(dialog, names) == shown(view, names)
    dialog.remote_uri = "sip:new@b"
    assert view.remote_uri == "sip:new@b"
    with pytest.raises(TypeError):
        dialog.remote_uri = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        dialog.user = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "word"),
    list(
        enumerate("Disconnected Trying Proceeding Cancelling Early Connected Disconnecting".split())
    ),
)
def test_status_words(status: int, word: str) -> None:
    """Numbers and words of the dialog's status."""
    assert IvrSipDialog(FakeDialog(status=status)).status_str == word


def test_dialog_attributes_of_the_first_generation(host: FakeHost) -> None:
    """contact_uri, sip_ip, sip_port, next_hop."""
    dialog = IvrSipDialog(FakeDialog(outbound_proxy="sip:proxy"))
    assert shown(dialog, "contact_uri sip_ip sip_port next_hop") == {
        "contact_uri": "Contact: <sip:hello@127.0.0.1:5060>\r\n",
        "sip_ip": "127.0.0.1",
        "sip_port": "5060",
        "next_hop": "sip:proxy",
    }
    host.local_sip_ip = "::1"
    assert IvrSipDialog(FakeDialog(user="")).contact_uri == "Contact: <sip:[::1]:5060>\r\n"


def test_request_attributes(host: FakeHost) -> None:
    """Every attribute; `from` is a keyword, so by getattr."""
    view = FakeRequest(route="<sip:p1;lr>,<sip:p2;lr>")
    request = IvrSipRequest.copy_of(view)
    names = "method user domain r_uri from_uri callid from_tag to_tag route body hdrs cseq"
    assert shown(request, names) == shown(view, names)
    assert getattr(request, "from") == view.from_header
    assert request.to == view.to_header
    assert shown(request, "dstip port next_hop") == {
        "dstip": "127.0.0.1",
        "port": "5060",
        "next_hop": "<sip:p1;lr>",
    }


def test_hdrs_of_a_handlers_copy_is_private() -> None:
    """Objects given to handlers are copies; what the script writes stays in them."""
    view = FakeRequest()
    request = IvrSipRequest.copy_of(view)
    request.hdrs += "X: 1\r\n"
    assert request.hdrs.endswith("X: 1\r\n")
    assert view.hdrs == FakeRequest().hdrs
    with pytest.raises(TypeError):
        request.hdrs = 1  # type: ignore[assignment]


def test_hdrs_of_invite_req_is_the_stored_request() -> None:
    """`self.invite_req.hdrs += …` changes what a callee would get."""
    view = FakeRequest()
    request = IvrSipRequest(lambda: view, live=True)
    request.hdrs += "X: 1\r\n"
    assert view.hdrs.endswith("X: 1\r\n")


def test_reply_attributes() -> None:
    """Every attribute and the names of the first generation."""
    view = FakeReply()
    reply = IvrSipReply(view)
    names = "code reason contact route hdrs from_tag to_tag body cseq"
    assert shown(reply, names) == shown(view, names)
    assert shown(reply, "next_request_uri next_hop remote_tag local_tag") == {
        "next_request_uri": view.contact,
        "next_hop": "<sip:p1;lr>",
        "remote_tag": "theirs",
        "local_tag": "ours",
    }
