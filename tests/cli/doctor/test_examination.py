"""The doctor names what a cluster lacks with the command that fixes it, and assumes nothing that it may not see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.doctor.cluster import NoCluster, connect
from atelier_cli.doctor.examination import examine

from tests.support import ROOT
from tests.support.clusters import (
    CLAIMS,
    CLASSES,
    CONFIG,
    CONTROLLER,
    DB_MANAGER,
    DEPLOYMENTS,
    INSTALLED,
    KATIB,
    MUTATING,
    NAMESPACE,
    NODES,
    PROMETHEUS,
    QUOTAS,
    SECRET,
    VALIDATING,
    VOLUMES,
    ApiServer,
    claim,
    deployment,
    examined,
    katib_config,
    listed,
    named,
    node,
    secret,
    served,
    storage_class,
    volume,
    webhooks,
    wrong,
)
from tests.support.searches import PROFILE, atelier

INSTALL = r'kubectl .*apply -k "github.com/kubeflow/katib.git/manifests/v1beta1/installs/katib-standalone\?ref=v0.19.0"'
MONITORED = ("monitoring.serviceMonitor.enabled=true", "monitoring.prometheusRule.enabled=true")
GUARDED = "server.token.existingSecret=digits-token"
SIGNED = "promotion.sign.existingSecret=digits-signing"
SIGNING = SECRET.replace("digits-token", "digits-signing")
PRIVATE = "-----BEGIN EC PRIVATE KEY-----"


# a cluster that has everything


def test_a_cluster_that_has_everything_is_ok_in_every_check(kubeconfig: Path, profile: Path) -> None:
    results = examined(kubeconfig, profile, *MONITORED, GUARDED)
    assert wrong(results) == []
    assert [diagnosis.check for diagnosis in results] == [
        "API server",
        "namespace label",
        "Katib CRDs",
        "validating webhooks",
        "mutating webhooks",
        "katib-controller",
        "katib-db-manager",
        "katib-config",
        "rights",
        "storage",
        "quotas",
        "token",
        "monitoring",
        "one trial",
    ]


def test_without_a_profile_only_checks_that_need_none_are_made(api: ApiServer, kubeconfig: Path) -> None:
    for path in (CLASSES, NODES, PROMETHEUS):
        del api.objects[path]
    results = examined(kubeconfig)
    assert wrong(results) == []
    assert {diagnosis.check for diagnosis in results}.isdisjoint({"storage", "quotas", "monitoring", "one trial"})


def test_the_page_about_the_doctor_lists_its_checks_in_their_order(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    api.objects[NAMESPACE]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    api.objects[DEPLOYMENTS] = listed(INSTALLED)
    api.objects[SIGNING] = secret("digits-signing", **{"key.pem": PRIVATE})
    page = (ROOT / "docs" / "doctor.md").read_text()
    rows = [name for names in re.findall(r"^\| (.*?) \|", page, re.MULTILINE) for name in names.split(", ")]
    assert rows[1:] == [diagnosis.check for diagnosis in examined(kubeconfig, profile, *MONITORED, GUARDED, SIGNED)]


@pytest.mark.parametrize(
    ("now", "message", "fix"),
    [
        (
            None,
            "no Secret digits-signing in team, which promotion.sign.existingSecret names",
            "--from-file=key.pem=key.pem",
        ),
        (secret("digits-signing", other=PRIVATE), "has no key key.pem", "# set promotion.sign.key; allowed: other"),
        (secret("digits-signing", **{"key.pem": "x"}), "is not a private key in PEM", "edit secret digits-signing"),
    ],
)
def test_a_key_that_signs_and_is_not_there_is_named(
    api: ApiServer, kubeconfig: Path, profile: Path, now: dict[str, Any] | None, message: str, fix: str
) -> None:
    if now is not None:
        api.objects[SIGNING] = now
    (found,) = wrong(examined(kubeconfig, profile, SIGNED))
    assert found.check == "signatures" and message in found.message and fix in found.fix


# each thing taken away


@pytest.mark.process
@pytest.mark.parametrize(
    ("path", "now", "check", "message", "fix"),
    [
        (KATIB, None, "Katib CRDs", "kubeflow.org/v1beta1 has no experiments, suggestions, trials", INSTALL),
        (KATIB, served("experiments", "trials"), "Katib CRDs", "has no suggestions$", INSTALL),
        (VALIDATING, None, "validating webhooks", "none named katib.kubeflow.org", INSTALL),
        (MUTATING, None, "mutating webhooks", "none named katib.kubeflow.org", INSTALL),
        (
            MUTATING,
            webhooks("a", bundle=""),
            "mutating webhooks",
            "no caBundle.*: a$",
            "-n kubeflow rollout restart deployment/katib-c",
        ),
        (
            VALIDATING,
            webhooks("a", bundle="Cg=="),
            "validating webhooks",
            "no caBundle",
            "rollout restart deployment/katib-controller",
        ),
        (CONTROLLER, None, "katib-controller", "no such Deployment in namespace kubeflow; --katib-namespace", INSTALL),
        (
            DB_MANAGER,
            deployment("katib-db-manager", 0),
            "katib-db-manager",
            "no replica is available: 0 replicas are available.",
            "-n kubeflow rollout restart deployment/katib-db-manager",
        ),
        (CONFIG, None, "katib-config", "namespace kubeflow has no ConfigMap katib-config", INSTALL),
        (CONFIG, {"metadata": {}, "data": {"katib-config.yaml": "runtime: [1"}}, "katib-config", "readable", INSTALL),
        (
            CONFIG,
            katib_config(suggestions=[{"algorithmName": "tpe"}]),
            "katib-config",
            "suggestions has no random; it has: tpe",
            INSTALL,
        ),
        (
            CONFIG,
            katib_config(metricsCollectors=[]),
            "katib-config",
            "metricsCollectors has no StdOut; it has: none",
            INSTALL,
        ),
        (
            NAMESPACE,
            {"metadata": {"name": "team"}},
            "namespace label",
            "team is without katib.kubeflow.org/metrics-collector-injection=enabled",
            "label --overwrite namespace team katib.kubeflow.org/metrics-collector-injection=enabled",
        ),
        (CLASSES, listed(), "storage", "there is no StorageClass", "apply -f .*local-path-storage.yaml"),
        (
            CLASSES,
            listed(storage_class("fast"), storage_class("slow")),
            "storage",
            "no StorageClass is the default; there are: fast, slow",
            'patch storageclass fast -p \'.*is-default-class": "true"',
        ),
        (
            PROMETHEUS,
            None,
            "monitoring",
            "monitoring.coreos.com/v1 has no servicemonitors, prometheusrules",
            "helm install prometheus oci://",
        ),
        (PROMETHEUS, served("servicemonitors"), "monitoring", "has no prometheusrules$", "helm install prometheus"),
        (
            SECRET,
            None,
            "token",
            "no Secret digits-token in team, which server.token.existingSecret names",
            r'-n team create secret generic digits-token --from-literal=token="\$\(openssl rand -hex 32\)"$',
        ),
        (
            SECRET,
            secret("digits-token", tocken="a"),
            "token",
            "has no key token",
            "# set server.token.key; allowed: tocken",
        ),
        (SECRET, named("digits-token"), "token", "has no key token", "# set server.token.key"),
        (
            SECRET,
            secret("digits-token", token="two words"),
            "token",
            "token of Secret digits-token is not one token",
            "edit secret digits-token",
        ),
        (
            SECRET,
            secret("digits-token", token=""),
            "token",
            "is not one token without spaces",
            "edit secret digits-token",
        ),
        (NODES, listed(), "one trial", "has no node", "get nodes"),
        (
            NODES,
            listed(node("a", cpu="1", memory="8Gi"), node("b", cpu="1500m", memory="8Gi")),
            "one trial",
            "trainer.resources.requests.cpu is 2, and the most a node has is 1500m",
            "# set trainer.resources.requests.cpu to at most 1500m",
        ),
        (
            NODES,
            listed(node("a", cpu="1", memory="8Gi"), node("b", cpu="4", memory="1Mi")),
            "one trial",
            "none has enough of all",
            "# lower trainer.resources.requests",
        ),
        (
            "/version",
            {"major": "1", "minor": "30+", "gitVersion": "v1.30.4-gke.1"},
            "API server",
            "Kubernetes v1.30.4-gke.1 at .*; 1.31 or newer is needed",
            "# upgrade the cluster to 1.31",
        ),
    ],
)
def test_each_missing_part_is_reported_alone_with_its_fix(
    api: ApiServer,
    kubeconfig: Path,
    profile: Path,
    path: str,
    now: dict[str, Any] | dict[str, dict[str, str]] | dict[str, str] | None,
    check: str,
    message: str,
    fix: str,
) -> None:
    api.objects.pop(path)
    if now is not None:
        api.objects[path] = now
    (lacking,) = wrong(examined(kubeconfig, profile, *MONITORED, GUARDED))
    assert (lacking.check, lacking.result) == (check, "missing")
    assert re.search(message, lacking.message), lacking.message
    assert re.search(fix, lacking.fix), lacking.fix


def test_katib_is_checked_in_the_namespace_of_the_option_or_the_profile(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    for path in (CONTROLLER, DB_MANAGER, CONFIG):
        api.objects[path.replace("kubeflow/", "machine-learning/")] = api.objects.pop(path)
    assert {diagnosis.check for diagnosis in wrong(examined(kubeconfig, profile))} == {
        "katib-controller",
        "katib-db-manager",
        "katib-config",
    }
    assert wrong(examined(kubeconfig, profile, katib="machine-learning")) == []


# what the profile asks for


@pytest.mark.process
@pytest.mark.parametrize(
    ("overrides", "now", "result", "message", "fix"),
    [
        (["existingClaim=store"], None, "ok", "claim store, ReadWriteMany", ""),
        (["existingClaim=store", "accessMode=ReadWriteMany"], None, "ok", "claim store", ""),
        (
            ["existingClaim=stroe"],
            None,
            "missing",
            "no PersistentVolumeClaim stroe in team",
            "allowed: store",
        ),
        (
            ["existingClaim=one", "accessMode=ReadWriteMany"],
            None,
            "missing",
            "is ReadWriteOnce, not ReadWriteMany",
            "accessMode to ReadWriteOnce",
        ),
        (["storageClassName=fast"], None, "ok", r"class fast \(nfs.csi.k8s.io\), ReadWriteOnce", ""),
        (["storageClassName=fats"], None, "missing", "no StorageClass fats", "did you mean fast.* allowed: fast, nfs"),
        (["storageClassName="], None, "ok", "volume disk can be bound", ""),
        (
            ["storageClassName=", "size=40Gi"],
            None,
            "missing",
            "no volume .* is free, ReadWriteOnce and of 40Gi",
            "# create such",
        ),
        (
            ["storageClassName=", "accessMode=ReadWriteMany"],
            None,
            "missing",
            "ReadWriteMany and of 10Gi",
            "# create such",
        ),
        (
            ["storageClassName="],
            volume("disk", "20Gi", "ReadWriteOnce", phase="Bound"),
            "missing",
            "is free",
            "# create such",
        ),
        (["accessMode=ReadWriteMany"], None, "ok", "class nfs", ""),
        (
            ["accessMode=ReadWriteMany"],
            "microk8s.io/hostpath",
            "warning",
            "volumes that one node mounts",
            "# set storage.accessMode to ReadWriteOnce",
        ),
        (
            ["accessMode=ReadWriteMany"],
            "rancher.io/local-path",
            "warning",
            "volumes that one node mounts",
            "# set storage.accessMode",
        ),
        (["accessMode=ReadWriteMany"], "kubernetes.io/no-provisioner", "ok", "class nfs", ""),
        ([], "microk8s.io/hostpath", "ok", "microk8s.io/hostpath", ""),
    ],
)
def test_the_store_gets_the_volume_that_the_profile_asks_for(
    api: ApiServer,
    kubeconfig: Path,
    profile: Path,
    overrides: list[str],
    now: dict[str, Any] | str | None,
    result: str,
    message: str,
    fix: str,
) -> None:
    api.objects[f"{CLAIMS}/one"] = claim("one", "ReadWriteOnce")
    if isinstance(now, str):
        api.objects[CLASSES] = listed(storage_class("nfs", now, default=True))
    elif now is not None:
        api.objects[VOLUMES] = listed(now)
    (storage,) = (
        diagnosis
        for diagnosis in examined(kubeconfig, profile, *(f"storage.{o}" for o in overrides))
        if diagnosis.check == "storage"
    )
    assert storage.result == result
    assert re.search(message, storage.message), storage.message
    assert re.search(fix, storage.fix), storage.fix


def test_without_a_search_katib_is_not_checked(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    del api.objects[CONFIG]
    results = examined(kubeconfig, profile, "experiment.enabled=false")
    assert [diagnosis.check for diagnosis in results] == ["API server", "rights", "storage", "quotas"]
    assert wrong(results) == []


def test_medianstop_has_to_be_configured_if_the_profile_uses_it(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    api.objects[CONFIG] = katib_config(earlyStoppings=[])
    assert wrong(examined(kubeconfig, profile)) == []
    (lacking,) = wrong(examined(kubeconfig, profile, "experiment.earlyStopping.algorithmName=medianstop"))
    assert "runtime.earlyStoppings has no medianstop; it has: none" in lacking.message


def test_the_token_is_never_shown_and_only_checked_if_the_profile_names_one(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    (token,) = [diagnosis for diagnosis in examined(kubeconfig, profile, GUARDED) if diagnosis.check == "token"]
    assert (token.result, token.message, token.fix) == ("ok", "Secret digits-token has token", "")
    api.objects[SECRET] = secret("digits-token", token="two words")
    assert "two words" not in str(examined(kubeconfig, profile, GUARDED))
    del api.objects[SECRET]
    assert wrong(examined(kubeconfig, profile)) == []


def test_monitoring_that_is_off_or_optional_is_not_missing(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    del api.objects[PROMETHEUS]
    assert wrong(examined(kubeconfig, profile)) == []
    (left_out,) = wrong(examined(kubeconfig, profile, *MONITORED, "monitoring.renderMode=skipIfMissing"))
    assert (left_out.check, left_out.result) == ("monitoring", "warning")


def test_a_gpu_in_the_limits_is_a_request_that_a_node_has_to_hold(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    gpu = ('trainer.resources.limits={"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": 2}',)
    (lacking,) = wrong(examined(kubeconfig, profile, *gpu))
    assert "trainer.resources.limits.nvidia.com/gpu is 2, and no node has any" in lacking.message
    assert lacking.fix.startswith("helm install gpu-operator")
    big: dict[str, str] = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    api.objects[NODES] = listed(node("gpu", **big))
    (lacking,) = wrong(examined(kubeconfig, profile, *gpu))
    assert "the most a node has is 1" in lacking.message
    api.objects[NODES] = listed(node("gpu", **big | {"nvidia.com/gpu": "4"}))
    assert wrong(examined(kubeconfig, profile, *gpu)) == []


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        (katib_config(), ["the sidecar of trials", "the suggestion pod"]),
        (katib_config(injectSecurityContext=True), ["the suggestion pod"]),
        (
            katib_config(
                injectSecurityContext=True,
                suggestions=[{"algorithmName": "random", "securityContext": {"runAsUser": 1}}],
            ),
            [],
        ),
    ],
)
def test_a_namespace_that_enforces_restricted_is_a_warning_unless_katib_can_run_there(
    api: ApiServer, kubeconfig: Path, profile: Path, config: dict[str, dict[str, str]], refused: list[str]
) -> None:
    api.objects[NAMESPACE]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    api.objects[CONFIG] = config
    results = wrong(examined(kubeconfig, profile))
    assert [(diagnosis.check, diagnosis.result) for diagnosis in results] == [("pod security", "warning")] * bool(
        refused
    )
    for diagnosis in results:
        assert (
            all(name in diagnosis.message for name in refused) and diagnosis.message.count(" and ") == len(refused) - 1
        )
        assert diagnosis.fix.endswith("label --overwrite namespace team pod-security.kubernetes.io/enforce=baseline")


# what cannot be seen


@pytest.mark.parametrize(
    ("path", "check"),
    [
        ("/version", "API server"),
        (NAMESPACE, "namespace label"),
        (KATIB, "Katib CRDs"),
        (VALIDATING, "Katib's webhooks"),
        (CONTROLLER, "Katib's pods"),
        (CONFIG, "katib-config"),
        (CLASSES, "storage"),
        (QUOTAS, "quotas"),
        (SECRET, "token"),
        (PROMETHEUS, "monitoring"),
        (NODES, "one trial"),
    ],
)
def test_a_check_that_is_forbidden_is_a_warning_that_says_so(
    api: ApiServer, kubeconfig: Path, profile: Path, path: str, check: str
) -> None:
    api.forbidden = {path}
    (unseen,) = wrong(examined(kubeconfig, profile, *MONITORED, GUARDED))
    assert (unseen.check, unseen.result) == (check, "warning")
    assert unseen.message.startswith("you may not look: ") and "\n" not in unseen.message


def test_an_api_server_that_fails_is_reported_as_missing(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    api.status = 500
    assert {diagnosis.result for diagnosis in examined(kubeconfig, profile) if diagnosis.check != "rights"} == {
        "missing"
    }
    api.status = 401
    (stranger,) = examined(kubeconfig, profile)
    assert (stranger.check, stranger.result) == ("API server", "missing")
    assert "does not know you" in stranger.message and stranger.fix.endswith("auth whoami")


def test_another_server_is_not_taken_for_an_api_server(api: ApiServer, kubeconfig: Path) -> None:
    for answer, said in (("a page", "gives no JSON object"), (None, "there is no /version")):
        api.objects = {"/version": answer} if answer else {}
        (page,) = examined(kubeconfig)
        assert (page.check, page.result) == ("API server", "missing")
        assert page.message.startswith(f"no Kubernetes answers at {api.url}: ") and page.message.endswith(said)


# the cluster that is meant


def test_fixes_use_the_cluster_that_was_checked(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    del api.objects[KATIB]
    cluster = connect(kubeconfig, "here", "team")
    (lacking,) = wrong(examine(cluster, None))
    assert lacking.fix.startswith(f"kubectl --kubeconfig {kubeconfig} --context here apply -k ")


def test_kubeconfig_comes_from_the_environment_and_a_user_may_have_no_credentials(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig.write_text(kubeconfig.read_text().replace("    user: ada\n", ""))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    cluster = connect(None, None, None)
    assert (cluster.context, cluster.namespace, cluster.kubectl) == ("here", "team", "kubectl")
    assert wrong(examine(cluster, None)) == []


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (None, None, "is not there; name one with --kubeconfig FILE"),
        ("clusters: [", None, "is no kubeconfig"),
        ("[]", None, "is no kubeconfig"),
        ("contexts: []", None, "is no kubeconfig: KeyError: 'clusters'"),
        ("same", "hree", "has no context 'hree'; did you mean here"),
        ("no current", None, "has no current context; allowed: here, nowhere"),
        ("no cluster", None, "context 'here' names 'here', which is not there"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(
    kubeconfig: Path, text: str | None, context: str | None, said: str
) -> None:
    sound = kubeconfig.read_text()
    known: dict[str | None, Any] = {
        "same": sound,
        "no current": sound.replace("current-context: here\n", ""),
        "no cluster": re.sub(r"(?s)clusters:.*?contexts:", "clusters: []\ncontexts:", sound),
    }
    kubeconfig.unlink()
    if text is not None:
        kubeconfig.write_text(known.get(text, text))
    with pytest.raises(NoCluster, match=re.escape(str(kubeconfig))) as refused:
        connect(kubeconfig, context, None)
    assert said in str(refused.value)


# the command


def doctor(kubeconfig: Path, *arguments: str) -> tuple[int, str]:
    completed = atelier("doctor", "--kubeconfig", str(kubeconfig), *arguments)
    return completed.returncode, completed.stdout


def test_the_command_exits_with_0_if_nothing_is_missing(kubeconfig: Path, profile: Path) -> None:
    code, printed = doctor(kubeconfig, "-f", str(profile))
    assert code == 0, printed
    assert "ok: 12, warnings: 0, missing: 0" in printed


def test_the_command_exits_with_1_and_prints_each_fix_once_and_unbroken(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    for path in (KATIB, VALIDATING, MUTATING):
        del api.objects[path]
    code, printed = doctor(kubeconfig, "-f", str(profile))
    assert code == 1
    fixes = [line for line in printed.splitlines() if line.startswith("kubectl")]
    assert len(fixes) == 1 and re.fullmatch(INSTALL, fixes[0])
    assert "# Katib CRDs, validating webhooks, mutating webhooks" in printed
    assert printed.count("missing") == 4 and "missing: 3" in printed


def test_the_command_exits_with_1_if_nothing_answers(kubeconfig: Path) -> None:
    code, printed = doctor(kubeconfig, "--context", "nowhere")
    assert code == 1
    assert "no Kubernetes answers at http://127.0.0.1:1: " in " ".join(printed.split())


def test_wrong_input_exits_with_2_and_one_message(kubeconfig: Path, profile: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(PROFILE.replace("maxTrialCount: 5", "maxTrialCount: 0"))
    for arguments, message in (
        (["--context", "x"], "--context: .* has no context 'x'; allowed: here, nowhere"),
        (
            ["--namespace", "nobodys"],
            "--namespace: 'nobodys' is not in the cluster .*to create it: kubectl .*create namespace nobodys",
        ),
        (["-f", str(tmp_path / "wrong.yaml")], "wrong.yaml:4: experiment.maxTrialCount: 0"),
        (["-f", str(tmp_path / "none.yaml")], "none.yaml: "),
        (["--set", "trainer.maxEpochs=3"], "--set trainer.maxEpochs=3: there is no profile"),
    ):
        completed = atelier("doctor", "--kubeconfig", str(kubeconfig), *arguments)
        assert (completed.returncode, completed.stdout) == (2, "")
        assert re.search(message, completed.stderr), completed.stderr
