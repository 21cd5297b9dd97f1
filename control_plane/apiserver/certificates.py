"""The strategies of signing requests and join tokens. Who asked is written down here, by nobody else."""

from control_plane.apiserver.hooks import (
    changed_status,
    keep_all_but_status,
    keep_status,
    strategy,
)
from control_plane.apiserver.identity import CALLER
from control_plane.apiserver.printers import certificates as printer
from control_plane.apiserver.validation import certificates as rules
from proto.v1.certificates_pb2 import BootstrapToken, CertificateSigningRequest


def prepare_request(csr: CertificateSigningRequest) -> None:
    csr.ClearField("status")
    caller, spec = CALLER.get(), csr.spec
    spec.username, spec.uid = caller.name, caller.uid
    spec.groups[:] = caller.groups


def prepare_request_update(new: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
    """All that was asked, and by whom, stays as it is."""
    keep_status(new, old)
    new.spec.CopyFrom(old.spec)


def prepare_request_status(new: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
    """The signer's part: the certificate, and Failed. Approval has a subresource of its own, and rights of its own."""
    keep_all_but_status(new, old)
    _put_together(new, decided=old, failed=new)


def prepare_approval(new: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
    """Only the conditions, and only those that decide."""
    keep_all_but_status(new, old)
    new.status.certificate = old.status.certificate
    _put_together(new, decided=new, failed=old)


def _put_together(
    csr: CertificateSigningRequest,
    *,
    decided: CertificateSigningRequest,
    failed: CertificateSigningRequest,
) -> None:
    """Failed is the signer's word, and is taken from the one; all others decide, and are taken from the other."""
    words = [each for each in decided.status.conditions if each.type != "Failed"]
    words += [each for each in failed.status.conditions if each.type == "Failed"]
    csr.status.ClearField("conditions")
    csr.status.conditions.extend(words)


def request_fields(csr: CertificateSigningRequest) -> dict[str, str]:
    return {"metadata.name": csr.metadata.name, "spec.signerName": csr.spec.signerName}


STRATEGIES = (
    strategy(
        CertificateSigningRequest,
        rules.validate_request,
        status=rules.validate_status,
        prepare_create=prepare_request,
        prepare_update=prepare_request_update,
        prepare_status=prepare_request_status,
        prepare_approval=prepare_approval,
        validate_approval=changed_status(rules.validate_approval),
        selectable=request_fields,
        columns=printer.REQUEST_COLUMNS,
        row=printer.request_row,
    ),
    strategy(
        BootstrapToken,
        rules.validate_token,
        columns=printer.TOKEN_COLUMNS,
        row=printer.token_row,
    ),
)
