"""Questions about rights and identities, answered: nothing is stored, the answer is in the status.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.json_format import ParseDict

from api.errors import Cause, Invalid, Unauthorized
from api.identities import MASTERS
from api.kinds import Kind
from api.rbac import Attributes, Rule
from control_plane.apiserver.authorization.authorizer import Authorizer
from control_plane.apiserver.authorization.decision import Decision
from control_plane.apiserver.authorization.nodes import node_of
from control_plane.apiserver.identity import CALLER, User
from control_plane.apiserver.validation import causes, schema
from proto.v1.authentication_pb2 import SelfSubjectReview, TokenReview, UserInfo
from proto.v1.rbac_pb2 import (
    NonResourceRule,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
)

# Whose token it is, and which of the audiences it is meant for. Raises Unauthorized.
Authenticate = Callable[[str, tuple[str, ...]], Awaitable[tuple[User, tuple[str, ...]]]]


class Reviews:
    def __init__(self, authorizer: Authorizer, authenticate: Authenticate) -> None:
        self._authorizer = authorizer
        self._authenticate = authenticate

    async def answer(self, kind: Kind, review: Any) -> Any:
        """The review with its status. Raises Invalid."""
        review.apiVersion, review.kind = kind.api_version, kind.name
        review.ClearField("status")
        if wrong := [*schema.check(review), *_contradictions(review)]:
            raise Invalid.because(kind.name, review.metadata.name, wrong)
        match review:
            case SelfSubjectAccessReview():
                review.status.CopyFrom(self._access(CALLER.get(), review.spec))
            case SubjectAccessReview():
                spec = review.spec
                user = User(spec.user, tuple(spec.groups), spec.uid)
                review.status.CopyFrom(self._access(user, spec))
            case SelfSubjectRulesReview():
                self._rules(review)
            case SelfSubjectReview():
                review.status.userInfo.CopyFrom(info_of(CALLER.get()))
            case TokenReview():
                await self._token(review)
        return review

    def _access(self, user: User, spec: Any) -> SubjectAccessReviewStatus:
        decision: Decision = self._authorizer.decide(user, attributes_of(spec))
        return SubjectAccessReviewStatus(allowed=decision.allowed, reason=decision.why)

    def _rules(self, review: SelfSubjectRulesReview) -> None:
        caller, status = CALLER.get(), review.status
        for rule in self._authorizer.roles.held(caller).rules(review.spec.namespace):
            if rule.urls:
                status.nonResourceRules.append(_addresses(rule))
            else:
                status.resourceRules.append(_resources(rule))
        if node_of(caller):
            status.incomplete = True
            status.evaluationError = (
                "what a node may read depends on the pods that are bound to it: no rule says so"
            )
        if MASTERS in caller.groups and not status.resourceRules:
            everything = Rule(frozenset("*"), frozenset("*"), frozenset("*"))
            status.resourceRules.append(_resources(everything))

    async def _token(self, review: TokenReview) -> None:
        try:
            found = await self._authenticate(review.spec.token, tuple(review.spec.audiences))
        except Unauthorized as error:
            review.status.error = error.message
            return
        user, audiences = found
        review.status.authenticated = True
        review.status.user.CopyFrom(info_of(user))
        review.status.audiences.extend(audiences)


def attributes_of(spec: Any) -> Attributes:
    """Of a review's spec."""
    if spec.HasField("nonResourceAttributes"):
        asked = spec.nonResourceAttributes
        return Attributes(asked.verb, path=asked.path)
    asked = spec.resourceAttributes
    return Attributes(
        asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name
    )


def _contradictions(review: Any) -> list[Cause]:
    if not isinstance(review, SelfSubjectAccessReview | SubjectAccessReview):
        return []
    spec: Any = review.spec
    found = []
    both = [spec.HasField(name) for name in ("resourceAttributes", "nonResourceAttributes")]
    if all(both):
        told = "cannot be specified in combination with resourceAttributes"
        found.append(causes.invalid("spec.nonResourceAttributes", spec.nonResourceAttributes, told))
    elif not any(both):
        told = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        found.append(causes.invalid("spec.resourceAttributes", None, told))
    if isinstance(review, SubjectAccessReview) and not (spec.user or spec.groups):
        told = "at least one of user or group must be specified"
        found.append(causes.invalid("spec.user", spec.user, told))
    return found


def info_of(user: User) -> UserInfo:
    info = UserInfo(username=user.name, uid=user.uid, groups=user.groups)
    if user.extra:
        ParseDict({key: list(values) for key, values in user.extra.items()}, info.extra)
    return info


def _resources(rule: Rule) -> ResourceRule:
    return ResourceRule(
        verbs=sorted(rule.verbs),
        apiGroups=sorted(rule.groups),
        resources=sorted(rule.resources),
        resourceNames=sorted(rule.names),
    )


def _addresses(rule: Rule) -> NonResourceRule:
    return NonResourceRule(verbs=sorted(rule.verbs), nonResourceURLs=sorted(rule.urls))
