"""What holds for every workflow here, as functions that yield what breaks it.

Each is a row of the threats that the YAML alone decides: where a file passes, a pull request cannot
reach a token through it, nor merge without a verdict.
"""

import re
from pathlib import Path

from ruamel.yaml import YAML

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
ACTION = WORKFLOWS.parent / "actions" / "gate" / "action.yml"
GPU_LABELS = {"self-hosted", "linux", "x64", "gpu"}
# Or this repository's own, at the commit whose workflow runs.
PINNED = re.compile(
    r"uses: ([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*|\$/\.github/actions/gate)$"
)
OWN = "$/.github/actions/gate"
BASE = "${{ needs.plan.outputs.base }}"
# Where the base was just told from the head.
OWN_BASE = "${{ steps.commits.outputs.base }}"
CONCERNED = "needs.plan.outputs.concerned"
# What makes files, or worse, of git's objects.
WRITES_THE_HEAD = re.compile(
    r"gh pr checkout|\bgit\b[^\n|;&]* (clone|pull|checkout|switch|restore|reset|worktree|archive"
    r"|show|cat-file|read-tree|checkout-index|merge|rebase|apply|cherry-pick|submodule)\b"
)


def parsed(text):
    return YAML(typ="safe", pure=True).load(text)  # YAML 1.2, where `on` is no truth value


def jobs(workflow):
    return workflow["jobs"].items()


def steps(job):
    return job.get("steps", [])


def uses(job, action):
    return [step for step in steps(job) if step.get("uses", "").startswith(f"{action}@")]


def labels(job):
    runs_on = job["runs-on"]
    return {runs_on} if isinstance(runs_on, str) else set(runs_on)


def own(job, mode):
    """The steps that run this repository's action in one of its modes."""
    return [
        step.get("with", {})
        for step in steps(job)
        if step.get("uses") == OWN and step.get("with", {}).get("mode") == mode
    ]


def on_gpu(job):
    return "gpu" in labels(job)


def reads_at_most(job):
    """Whether no step is handed a token, and what the job has of its own only reads the code."""
    return job.get("permissions") in ({}, {"contents": "read"}) and "github.token" not in str(job)


def needed(job):
    needs = job.get("needs", [])
    return {needs} if isinstance(needs, str) else set(needs)


def starts_without_rights(workflow, _):
    if workflow.get("permissions") != {}:
        yield "the top must say permissions: {}"
    for name, job in jobs(workflow):
        if "permissions" not in job:
            yield f"{name}: says no permissions"


def actions_are_pinned(_, text):
    for line in text.splitlines():
        if "uses:" in line and not PINNED.search(line):
            yield f"{line.strip()}: no full SHA with its version"


def scripts_hold_no_expression(workflow, _):
    for name, job in jobs(workflow):
        for step in steps(job):
            if "${{" in step.get("run", ""):
                yield f"{name}: an expression in a script; hand it over in env"


def has_no_secrets(workflow, _):
    if re.search(r"secrets\b", str(workflow)):
        yield "names a secret"
    if "id-token" in str(workflow):
        yield "can prove to others who it is"
    if "env" in workflow:
        yield "hands a variable to every job"


def has_no_cache(workflow, _):
    """What one run leaves in a cache, the default branch's next run would take."""
    for name, job in jobs(workflow):
        for step in steps(job):
            if step.get("uses", "").startswith("actions/cache"):
                yield f"{name}: {step['uses']}"
            if "cache" in step.get("with", {}):
                yield f"{name}: {step['uses']} with a cache"


def checkouts_keep_no_credentials(workflow, _):
    for name, job in jobs(workflow):
        for step in uses(job, "actions/checkout"):
            if step.get("with", {}).get("persist-credentials") is not False:
                yield f"{name}: a checkout that leaves the token in .git/config"


def ends_in_time(workflow, _):
    for name, job in jobs(workflow):
        if "timeout-minutes" not in job:
            yield f"{name}: no timeout-minutes"


def runs_whatever_changed(workflow, _):
    """A required workflow that a filter skips never reports; a merge queue waits for its own."""
    if not {"pull_request", "pull_request_target"} & set(workflow["on"]):
        return
    if "merge_group" not in workflow["on"]:
        yield "merge_group is not handled"
    for event, options in workflow["on"].items():
        for key in {"paths", "paths-ignore"} & set(options or {}):
            yield f"{event} filters by {key}"


def always_reports(workflow, _):
    """GitHub takes a skipped job for a passed one."""
    names = set(workflow["jobs"])
    last = [n for n, job in jobs(workflow) if needed(job) == names - {n}]
    alone = len(names) == 1
    if not alone and not any(workflow["jobs"][name].get("if") == "always()" for name in last):
        yield "no job needs all others and runs always()"
    for name, job in jobs(workflow):
        if "continue-on-error" in str(job):
            yield f"{name}: a failure that does not count"


def pull_requests_bring_no_workflow_to_own_machines(workflow, _):
    """`pull_request` runs the pull request's own YAML."""
    for name, job in jobs(workflow):
        if "pull_request" in workflow["on"] and "self-hosted" in labels(job):
            yield f"{name}: a pull request's workflow on a machine of ours"


def tokens_never_meet_the_head(workflow, _):
    """What can use a token has the base alone: what was planned, else the default branch."""
    if set(workflow["on"]) <= {"pull_request", "push", "merge_group"}:
        return  # GitHub takes the rights from a fork's run by itself
    for name, job in jobs(workflow):
        trusted = OWN_BASE if name == "plan" else BASE if "plan" in workflow["jobs"] else None
        fetched = [step.get("with", {}) for step in uses(job, "actions/checkout")]
        unsafe = any("allow-unsafe-pr-checkout" in given for given in fetched)
        foreign = any(given.get("ref") != trusted for given in fetched)
        # Objects that only lie in git's store are data, to a job that may not write.
        beside = "git fetch" in str(job) and "write" in job["permissions"].values()
        by_hand = any(WRITES_THE_HEAD.search(step.get("run", "")) for step in steps(job))
        if (unsafe or foreign or beside or by_hand) and not (on_gpu(job) and reads_at_most(job)):
            yield f"{name}: fetches what is not the base's beside a token"


def the_gate_has_no_token(workflow, _):
    """It looks at what strangers wrote; and what fetches leaves the token nowhere."""
    for name, job in jobs(workflow):
        for step in steps(job):
            if "github.token" not in f"{job.get('env')} {step}":
                continue
            script = step.get("run", "")
            if re.search(r"gate\.sh|install\.sh|verify\.sh|-m gate|actions/gate", str(step)):
                yield f"{name}: runs the gate beside the token"
            if re.search(r"git config|GITHUB_ENV|extraheader=|https://[^ ]*@", script):
                yield f"{name}: leaves the token behind"


def archives_name_no_file(workflow, _):
    for name, job in jobs(workflow):
        if uses(job, "actions/download-artifact"):
            yield f"{name}: extracts an archive under the names that it brings"


def gpu_jobs_have_nothing_to_steal(workflow, _):
    for name, job in jobs(workflow):
        if on_gpu(job) and not reads_at_most(job):
            yield f"{name}: more than contents: read on the GPU machine"


def gpu_jobs_name_their_card(workflow, _):
    for name, job in jobs(workflow):
        if on_gpu(job) and len(labels(job) - GPU_LABELS) != 1:
            yield f"{name}: needs the labels {sorted(GPU_LABELS)} and the card's"
        if on_gpu(job) and not labels(job) >= GPU_LABELS:
            yield f"{name}: lacks {sorted(GPU_LABELS - labels(job))}"


def gpu_jobs_queue(workflow, _):
    for name, job in jobs(workflow):
        queue = job.get("concurrency", {})
        if on_gpu(job) and (queue.get("queue"), queue.get("cancel-in-progress")) != ("max", False):
            yield f"{name}: two runs share the card, or one cancels the other"
        if on_gpu(job) and not labels(job) & set(queue.get("group", "").split("gpu-")):
            yield f"{name}: the group must be of the card"
    if any(on_gpu(job) for _, job in jobs(workflow)) and "concurrency" in workflow:
        yield "a group around the GPU job cancels what waits in it"


def gpu_jobs_wait_for_an_approval(workflow, _):
    """A fork's run waits before the GPU job: waiting within it would hold the card's queue."""
    for name, job in jobs(workflow):
        if not on_gpu(job):
            continue
        before = workflow["jobs"].get(job.get("needs"), {})
        gate = str(before.get("environment", ""))
        if (
            "pull_request_target" in workflow["on"]
            and "head.repo.full_name != github.repository && 'gpu-fork'" not in gate
        ):
            yield f"{name}: nothing holds a fork's run back"
        if "inputs" in str(workflow) and not gate:
            yield f"{name}: whoever dispatches it waits for no environment"
        if job.get("if", f"{CONCERNED} != 'none'") != f"{CONCERNED} != 'none'":
            yield f"{name}: a condition of its own, which may outrun the approval"


def nothing_measured_is_green_by_plan_alone(workflow, _):
    """A job that is skipped says nothing: only the plan's own word for it makes a success."""
    for name, job in jobs(workflow):
        if not on_gpu(job) or "if" not in job:
            continue
        planned = workflow["jobs"][job["needs"]].get("outputs", {})
        if planned.get("concerned") != "${{ steps.plan.outputs.concerned }}":
            yield f"{job['needs']}: does not say what is concerned"
        (last,) = (one for _, one in jobs(workflow) if name in needed(one))
        checked = [step for step in steps(last) if f"needs.{name}.result" in str(step.get("env"))]
        if len(checked) != 1 or checked[0]["run"].count("skipped") != 1 or "if" in checked[0]:
            yield f"{name}: nobody asks how it ended"
        elif '"success none skipped")' not in checked[0]["run"]:
            yield f"{name}: skipped by whatever reason is good enough"
        yield from _conditions(last, after=checked)


def _conditions(job, after):
    """Whatever judges is left out where nothing is concerned, and for no other reason."""
    names = [step.get("name") for step in steps(job)]
    begin = names.index(after[0]["name"]) + 1 if after else 0
    for step in steps(job)[begin:]:
        condition = str(step.get("if", ""))
        tells = "unconcerned.sh" in step.get("run", "")
        if condition != f"{CONCERNED} {'==' if tells else '!='} 'none'" and (
            "publish.sh" not in step.get("run", "")
        ):
            yield f"{step.get('name', step.get('uses'))}: runs under another condition: {condition}"


def what_is_judged_was_planned(workflow, _):
    """The names come from the plan, whatever a measurement says that it is about."""
    for name, job in jobs(workflow):
        for step in steps(job):
            if not re.search(r"gate\.sh (measure|judge) ", step.get("run", "")):
                continue
            env = {**job.get("env", {}), **step.get("env", {})}
            for variable, output in (("CONCERNED", "concerned"), ("KERNELS", "kernels")):
                if env.get(variable) != f"${{{{ needs.plan.outputs.{output} }}}}":
                    yield f"{name}: {variable} is not what was planned"


def measuring_starts_clean(workflow, _):
    """Through scripts/gate.sh, whose own test shows that it does."""
    for name, job in jobs(workflow):
        for step in steps(job):
            script = step.get("run", "")
            runs = re.search(r"gate\b.* (check|measure|baseline refresh) ", script)
            if runs and "gate.sh" not in script:
                yield f"{name}: runs a kernel without scripts/gate.sh"


def judging_is_bound(workflow, _):
    """A measurement is of this run and card, and a head's baselines are verified, or it fails."""
    demanded = {
        "gate.sh measure": ("--binding ",),
        "gate.sh judge": (
            *("--expect-binding ", "--expect-gpu ", "--proposed ", "--gpu require "),
            *("/#/--require=}", "demanded=(--all)", '"${demanded[@]}" '),
        ),
    }
    if not any(on_gpu(job) for _, job in jobs(workflow)):
        return
    for name, job in jobs(workflow):
        for step in steps(job):
            for command, options in demanded.items():
                for option in options if command in step.get("run", "") else ():
                    if option not in step["run"]:
                        yield f"{name}: {command} without {option}"


def the_action_is_bound(workflow, _):
    """The same, where a workflow here runs the gate by its own action."""
    demanded = {"measure": {"binding"}, "judge": {"binding", "expect-gpu"}}
    for name, job in jobs(workflow):
        for mode, inputs in demanded.items():
            for given in own(job, mode):
                if not inputs <= set(given):
                    yield f"{name}: {mode} without {sorted(inputs - set(given))}"
                if {"kernels", "baselines", "gpu"} & set(given):
                    yield f"{name}: {mode} of a part, or by other baselines"


def comments_command_by_right(workflow, _):
    """Anybody can comment, and does so at no commit: who may write is asked of GitHub, first."""
    if "issue_comment" not in workflow["on"]:
        return
    if workflow["on"]["issue_comment"] != {"types": ["created"]}:
        yield "an edited comment has another author than its words"
    if "author_association" in str(workflow):
        yield "author_association says member of people who only read"
    for name, job in jobs(workflow):
        first = steps(job)[0]
        asked = 'collaborators/$AUTHOR/permission" --jq .permission' in first.get("run", "")
        if not asked or "if" in first or "comment.user.login" not in str(first.get("env")):
            yield f"{name}: does something before it asks GitHub who may write"
        if "self-hosted" in labels(job):
            yield f"{name}: a comment reaches a machine of ours"
        if job["permissions"].get("contents") != "read":
            yield f"{name}: a comment writes"
    text = "${{ github.event.comment.body }}"
    if str(workflow).count(text) != str(workflow).count(f"'COMMENT': '{text}'"):
        yield "a comment's text elsewhere than in COMMENT"


def what_may_write_runs_no_kernel(workflow, _):
    """It has the base's code alone, and reads what was measured."""
    for name, job in jobs(workflow):
        if "write" not in job.get("permissions", {}).values():
            continue
        for step in steps(job):
            if re.search(
                r"gate(\.sh)? (check|measure|baseline)|install\.sh gpu", step.get("run", "")
            ):
                yield f"{name}: runs kernels beside a token that writes"
        if own(job, "check") or own(job, "measure"):
            yield f"{name}: runs kernels beside a token that writes"


RULES = (
    starts_without_rights,
    actions_are_pinned,
    scripts_hold_no_expression,
    has_no_secrets,
    has_no_cache,
    checkouts_keep_no_credentials,
    ends_in_time,
    runs_whatever_changed,
    always_reports,
    pull_requests_bring_no_workflow_to_own_machines,
    tokens_never_meet_the_head,
    the_gate_has_no_token,
    archives_name_no_file,
    gpu_jobs_have_nothing_to_steal,
    gpu_jobs_name_their_card,
    gpu_jobs_queue,
    gpu_jobs_wait_for_an_approval,
    nothing_measured_is_green_by_plan_alone,
    what_is_judged_was_planned,
    measuring_starts_clean,
    judging_is_bound,
    the_action_is_bound,
    comments_command_by_right,
    what_may_write_runs_no_kernel,
)

# What of this holds for the action too, whose steps run in a job of somebody else.
ACTION_RULES = (
    actions_are_pinned,
    scripts_hold_no_expression,
    has_no_secrets,
    has_no_cache,
    archives_name_no_file,
    measuring_starts_clean,
)


def as_workflow(action):
    """The action's steps as the one job of a workflow, for the rules."""
    return {"on": {}, "jobs": {"action": {"steps": action["runs"]["steps"]}}}
