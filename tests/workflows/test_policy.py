"""The workflows keep the policy, and each of its rules goes red where a workflow breaks it."""

import pytest

from tests.workflows.policy import ACTION, ACTION_RULES, RULES, WORKFLOWS, as_workflow, parsed

CI, GPU, NIGHTLY = "ci.yml", "gpu-gate.yml", "nightly.yml"
COMMAND, REFRESH = "refresh-command.yml", "refresh.yml"
OWN = "uses: $/.github/actions/gate\n        with:\n"
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
FROM_BASE = "ref: ${{ needs.plan.outputs.base }}"
# In the plan, and in the jobs after it.
HERE, FROM_PLAN = "${{ steps.commits.outputs.base }}", "${{ needs.plan.outputs."
SOME = "    if: needs.plan.outputs.concerned != 'none'\n"
TOKEN = "          GH_TOKEN: ${{ github.token }}\n"
JUDGES = "      - name: Judge\n"
JUDGE_ENV = f"{JUDGES}    {SOME}        env:\n"
# Of the measuring job.
MAY_READ = "      contents: read\n    steps:"
MAY_WRITE = "      contents: write\n    steps:"
IN_ENV = "          BASE: ${{ needs.plan"

# By rule: the file, what it says, and what it would say instead.
BROKEN = {
    "starts_without_rights": [
        (CI, "\npermissions: {}\n", "\npermissions: read-all\n"),
        (CI, "\npermissions: {}\n", "\n"),
        (CI, "    permissions:\n      contents: read\n", ""),
    ],
    "actions_are_pinned": [
        (CI, f"{CHECKOUT} # v7.0.1", "actions/checkout@v7"),
        (CI, f"{CHECKOUT} # v7.0.1", CHECKOUT),
        (CI, f"{CHECKOUT} # v7.0.1", f"{CHECKOUT[:-1]} # v7.0.1"),
        (CI, f"{CHECKOUT} # v7.0.1", "docker://alpine:3"),
        (NIGHTLY, "uses: $/.github/actions/gate", "uses: ./candidate/.github/actions/gate"),
    ],
    "scripts_hold_no_expression": [
        (CI, "run: make lint", "run: echo ${{ github.head_ref }}"),
        (GPU, '!= "$HEAD"', '!= "${{ inputs.sha }}"'),
        (REFRESH, '--reason="$REASON"', '--reason="${{ inputs.reason }}"'),
        (COMMAND, 'branch" "$NUMBER"', 'branch" "${{ github.event.comment.body }}"'),
    ],
    "has_no_secrets": [
        (GPU, "CARD: nvidia", "KEY: ${{ secrets.KEY }}\n          CARD: nvidia"),
        (CI, "      contents: read", "      id-token: write"),
        (GPU, "\njobs:\n", "\nenv: { GH_TOKEN: x }\njobs:\n"),
    ],
    "has_no_cache": [
        (CI, 'python-version: "3.11"', "cache: pip"),
        (CI, CHECKOUT, CHECKOUT.replace("checkout", "cache")),
        (GPU, CHECKOUT, CHECKOUT.replace("checkout", "cache/restore")),
    ],
    "checkouts_keep_no_credentials": [
        (CI, "persist-credentials: false", "fetch-depth: 0"),
        (GPU, "persist-credentials: false", "persist-credentials: true"),
    ],
    "ends_in_time": [(GPU, "    timeout-minutes: 60\n", "")],
    "runs_whatever_changed": [
        (CI, "  merge_group:\n", ""),
        (GPU, "  merge_group:\n", ""),
        (CI, "  pull_request:\n", "  pull_request:\n    paths: [gate/**]\n"),
        (GPU, "    types: [opened", "    paths-ignore: [docs/**]\n    types: [opened"),
    ],
    "always_reports": [
        (CI, "    if: always()\n    needs", "    needs"),
        (CI, "needs: [lint, test, check]", "needs: [lint, test]"),
        (GPU, "    if: always()\n    needs", "    if: '!cancelled()'\n    needs"),
        (GPU, JUDGES, f"{JUDGES}        continue-on-error: true\n"),
        (NIGHTLY, "    if: always()\n    needs", "    needs"),
        (NIGHTLY, JUDGES, f"{JUDGES}        continue-on-error: true\n"),
        (REFRESH, "    if: always()\n    needs: [plan, measure]", "    needs: [plan, measure]"),
    ],
    "pull_requests_bring_no_workflow_to_own_machines": [
        (GPU, "  pull_request_target:", "  pull_request:"),
        (CI, "runs-on: ubuntu-24.04", "runs-on: [self-hosted, linux]"),
    ],
    "tokens_never_meet_the_head": [
        # the judge, which may write, takes the head's code; by its SHA, by default, or by hand
        (GPU, f"{FROM_BASE}\n          persist", "ref: ${{ env.HEAD }}\n          persist"),
        (GPU, f"          {FROM_BASE}\n          persist", "          persist"),
        (GPU, JUDGES, f'      - run: gh pr checkout "$NUMBER"\n{JUDGES}'),
        (NIGHTLY, "persist-credentials: false\n      - name: It", "ref: x\n      - name: It"),
        (COMMAND, "persist-credentials: false", "ref: ${{ github.event.issue.number }}"),
        (COMMAND, "- name: Start it", '- run: gh pr checkout "$NUMBER"\n      - name: Start it'),
        (REFRESH, f"{FROM_BASE}\n          persist", "ref: ${{ env.HEAD }}\n          persist"),
        # the plan, which fetches the head, writes its files or may write
        (GPU, f"ref: {HERE}", "ref: ${{ steps.commits.outputs.head }}"),
        (GPU, f"          ref: {HERE}\n", ""),
        (GPU, 'origin "$HEAD"\n', 'origin "$HEAD"\n          git checkout "$HEAD"\n'),
        (GPU, 'origin "$HEAD"\n', 'origin "$HEAD"\n          git -C x show "$HEAD":x > x\n'),
        (GPU, "contents: read # to ask", "contents: write # to ask"),
        # the job that fetches the head may write, or is handed the token
        (REFRESH, MAY_READ, MAY_WRITE),
        (GPU, MAY_READ, MAY_WRITE),
        (GPU, IN_ENV, f"          GH_TOKEN: ${{{{ github.token }}}}\n{IN_ENV}"),
    ],
    "the_gate_has_no_token": [
        (GPU, "        id: plan\n        env:\n", f"        id: plan\n        env:\n{TOKEN}"),
        (GPU, JUDGE_ENV, f"{JUDGE_ENV}{TOKEN}"),
        (GPU, "    env:\n      BASE:", "    env:\n      T: ${{ github.token }}\n      BASE:"),
        (GPU, "            git fetch", "            git config x y; git fetch"),
        (GPU, "          login=$(", '          echo "x=$GH_TOKEN" >> "$GITHUB_ENV"; login=$('),
        (
            REFRESH,
            "run: bash .github/scripts/verify.sh",
            f"env:\n{TOKEN}        run: bash verify.sh",
        ),
    ],
    "archives_name_no_file": [(GPU, "actions/setup-python@", "actions/download-artifact@")],
    "gpu_jobs_have_nothing_to_steal": [
        (GPU, MAY_READ, MAY_WRITE),
        (GPU, IN_ENV, f"          GH_TOKEN: ${{{{ github.token }}}}\n{IN_ENV}"),
        (NIGHTLY, MAY_READ, MAY_WRITE),
    ],
    "gpu_jobs_name_their_card": [
        (GPU, ", gpu, rtx-4090]", ", gpu]"),
        (GPU, "[self-hosted, linux, x64, gpu", "[self-hosted, linux, gpu"),
    ],
    "gpu_jobs_queue": [
        (GPU, "cancel-in-progress: false", "cancel-in-progress: true"),
        (GPU, "      queue: max\n", ""),
        (GPU, "group: gpu-rtx-4090", "group: ${{ github.ref }}"),
        (GPU, "\njobs:\n", "\nconcurrency: gate\njobs:\n"),
        (NIGHTLY, "      queue: max\n", ""),
        (REFRESH, "group: gpu-rtx-4090", "group: refresh"),
    ],
    "gpu_jobs_wait_for_an_approval": [
        (GPU, "&& 'gpu-fork' ||", "&& 'gpu' ||"),
        (GPU, "    needs: plan\n", ""),
        (GPU, SOME, "    if: always()\n"),
        (GPU, SOME, SOME.replace("none'", "none' || cancelled()")),
        (REFRESH, "    environment: gpu\n", ""),
        (REFRESH, "    needs: plan\n", ""),
        (NIGHTLY, "    timeout-minutes: 60\n", "    timeout-minutes: 60\n    if: vars.NIGHTLY\n"),
    ],
    "nothing_measured_is_green_by_plan_alone": [
        (GPU, "${{ steps.plan.outputs.concerned }}", "${{ steps.plan.outputs.kernels }}"),
        (GPU, '"success none skipped")', '"success "*" skipped")'),
        (GPU, '"success none skipped")', '"success none skipped" | *" skipped")'),
        (GPU, "MEASURED: ${{ needs.measure.result }}", "MEASURED: skipped"),
        (
            GPU,
            "      - name: It was planned,",
            f"      - {SOME.strip()}\n        name: It was planned,",
        ),
        (GPU, JUDGE_ENV, f"{JUDGES}        if: needs.measure.result == 'success'\n        env:\n"),
        (GPU, "concerned == 'none'", "kernels == ''"),
    ],
    "what_is_judged_was_planned": [
        (GPU, f"          KERNELS: {FROM_PLAN}kernels }}}}\n", ""),
        (GPU, f"      KERNELS: {FROM_PLAN}kernels }}}}\n    steps", "      KERNELS: x\n    steps"),
        (GPU, f"      CONCERNED: {FROM_PLAN}concerned", f"      CONCERNED: {FROM_PLAN}kernels"),
    ],
    "measuring_starts_clean": [
        (GPU, "bash ../harness/.github/scripts/gate.sh measure", "python -I -m gate measure"),
        (REFRESH, "bash ../harness/.github/scripts/gate.sh", "python -m gate"),
    ],
    "judging_is_bound": [
        (GPU, '--binding "$RUNNER_TEMP/binding.json" -o', "-o"),
        (GPU, '--expect-gpu "$CARD" \\\n', "\\\n"),
        (GPU, '--expect-binding "$RUNNER_TEMP/binding.json" ', ""),
        (GPU, "--proposed proposed ", ""),
        (GPU, 'run.json "${demanded[@]}" ', "run.json "),
        (GPU, "demanded=(--all)", "true"),
        (GPU, "/#/--require=}", "}"),
        (GPU, 'run.json "${demanded[@]}" --gpu require', 'run.json "${demanded[@]}"'),
    ],
    "the_action_is_bound": [
        (NIGHTLY, "          binding: ${{ runner.temp }}/binding.json\n", ""),
        (NIGHTLY, "          expect-gpu: nvidia-geforce-rtx-4090\n", ""),
        (NIGHTLY, OWN, f"{OWN}          kernels: one\n"),
        (NIGHTLY, OWN, f"{OWN}          gpu: auto\n"),
    ],
    "comments_command_by_right": [
        (COMMAND, "types: [created]", "types: [created, edited]"),
        (
            COMMAND,
            "if: github.event.issue",
            "if: github.event.comment.author_association && github",
        ),
        (COMMAND, "collaborators/$AUTHOR/permission", "collaborators/$AUTHOR"),
        (COMMAND, "github.event.comment.user.login", "github.event.issue.user.login"),
        (COMMAND, "    steps:\n", "    steps:\n      - run: echo first\n"),
        (COMMAND, "runs-on: ubuntu-24.04", "runs-on: [self-hosted, linux, x64, gpu, rtx-4090]"),
        (COMMAND, "contents: read", "contents: write"),
        (COMMAND, "NUMBER: ${{", "NUMBER: ${{ github.event.comment.body }}${{"),
    ],
    "what_may_write_runs_no_kernel": [
        (REFRESH, "run: bash .github/scripts/install.sh\n", "run: bash install.sh gpu\n"),
        (REFRESH, "run: bash .github/scripts/verify.sh", "run: gate baseline refresh"),
        (NIGHTLY, "mode: judge", "mode: check"),
    ],
}


def violations(rule, text):
    return list(rule(parsed(text), text))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("file", sorted(WORKFLOWS.glob("*")), ids=lambda file: file.name)
def test_every_workflow_keeps_the_policy(file, rule):
    assert violations(rule, file.read_text()) == []


@pytest.mark.parametrize(
    ("rule", "file", "said", "instead"),
    [(rule, *change) for rule in RULES for change in BROKEN[rule.__name__]],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_workflow_that_breaks_the_policy_is_named(rule, file, said, instead):
    text = (WORKFLOWS / file).read_text()
    assert said in text
    assert violations(rule, text.replace(said, instead, 1))


def test_the_policy_knows_of_every_workflow():
    found = [file.name for file in sorted(WORKFLOWS.glob("*"))]
    assert found == [CI, GPU, NIGHTLY, COMMAND, REFRESH]


@pytest.mark.parametrize("rule", ACTION_RULES, ids=lambda rule: rule.__name__)
def test_the_action_keeps_what_holds_for_it(rule):
    text = ACTION.read_text()
    assert list(rule(as_workflow(parsed(text)), text)) == []


@pytest.mark.parametrize(
    ("rule", "instead"),
    [
        ("scripts_hold_no_expression", "run: bash action.sh ${{ inputs.kernels }}"),
        ("has_no_secrets", "run: echo ${{ secrets.KEY }}"),
        ("actions_are_pinned", "uses: actions/setup-python@v6"),
        ("has_no_cache", "uses: actions/cache@v5"),
        ("archives_name_no_file", "uses: actions/download-artifact@v6"),
        ("measuring_starts_clean", "run: gate check --gpu require"),
    ],
)
def test_an_action_that_breaks_it_is_named(rule, instead):
    (broken,) = (known for known in ACTION_RULES if known.__name__ == rule)
    text = ACTION.read_text()
    said = 'run: bash "$GITHUB_ACTION_PATH/../../scripts/action.sh"'
    assert said in text
    text = text.replace(said, instead)
    assert list(broken(as_workflow(parsed(text)), text))


def test_every_input_of_the_action_reaches_its_script_and_every_output_leaves_it():
    action = parsed(ACTION.read_text())
    env = " ".join(str(step["env"]) for step in action["runs"]["steps"])
    assert all(f"${{{{ inputs.{name} }}}}" in env for name in action["inputs"])
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


@pytest.mark.parametrize("path", ["/.github/", "/baselines/", "/gate/", "/pyproject.toml"])
def test_what_decides_the_verdict_has_owners(path):
    lines = (WORKFLOWS.parent / "CODEOWNERS").read_text().splitlines()
    owners = dict(line.split(maxsplit=1) for line in lines if not line.startswith("#"))
    assert owners[path].startswith("@")
