"""What users of the original asked for, and got later or never: each with what ours has, and the tests that show it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASKED_FOR", "AskedFor"]


class AskedFor(NamedTuple):
    """A wish.

    Attributes:
        wish: what was asked for.
        ours: what ours has.
        shown: the tests, below `tests/`.
    """

    wish: str
    ours: str
    shown: tuple[str, ...]


ASKED_FOR = (
    # Added later
    AskedFor("inline config and stats", "--config lr:0.1, --stats accuracy:0.9", (
        "cli/test_snapshot_words.py::test_inline_values_have_types",
    )),
    AskedFor("snapshots are changed and deleted from Python", "update, delete, undelete", (
        "api/test_snapshot_words.py::test_words_and_values_are_changed_and_the_rest_stays",
        "api/test_snapshot_words.py::test_a_deleted_snapshot_is_hidden_and_can_be_brought_back",
    )),
    AskedFor("several data folders, read only", "--data PATH[>NAME]", (
        "api/test_options.py::test_data_is_read_where_it_lies_and_recorded",
        "api/test_options.py::test_a_container_is_given_all_of_them",
    )),
    AskedFor("a memory limit", "--mem-limit", (
        "api/test_options.py::test_a_container_is_given_all_of_them",
        "runner/test_docker_config.py::test_a_memory_limit_is_not_hidden_by_swap",
    )),
    AskedFor("environments set up, created, listed, deleted", "datmo environment", (
        "cli/test_environment.py::test_setup_shows_a_proposal_and_writes_it_where_it_is_told_to",
        "cli/test_environment.py::test_ls_says_which_is_in_use_and_why",
        "cli/test_environment.py::test_inspect_diff_delete",
        "api/test_environments.py::test_one_is_built_ahead_of_time_with_its_packages",
    )),
    AskedFor("ls --format", "table, JSON and CSV", ("cli/test_json.py::test_a_command_writes_what_is_declared",)),
    AskedFor("tables to take away", "--format csv, a column for each value", (
        "cli/test_listing.py::test_csv_has_stable_columns_and_one_for_each_value",
        "cli/test_listing.py::test_tasks_as_csv",
    )),
    AskedFor("rerun", "datmo task rerun", ("api/test_rerun.py::test_the_same_is_run_whatever_has_changed_since",)),
    AskedFor("a terminal in the environment", "datmo task run --interactive", (
        "cli/test_task_terminal.py::test_without_a_command_there_is_a_shell",
    )),
    AskedFor("a notebook server in the environment", "task run -p, and its files back by task files", (
        "runner/test_docker_executor.py::test_a_port_is_reached_on_the_loopback_only_and_cannot_be_given_twice",
        "cli/test_task_files.py::test_all_files_or_those_that_fit_come_back",
    )),
    AskedFor("the current snapshot marked", "`*` in the list", (
        "cli/test_snapshot.py::test_ls_is_newest_first_and_marks_the_current_one",
    )),
    AskedFor("status says what has changed", "code, files, config, environment", (
        "cli/test_status.py::test_what_has_changed_is_shown",
    )),
    AskedFor("init without prompts", "asks only on a terminal", (
        "cli/test_project.py::test_init_without_a_name_takes_the_folders_where_nobody_can_be_asked",
    )),
    AskedFor("config and results logged during the run", "datmo.task.current().log_config, log_results", (
        "api/test_inside.py::test_metrics_configuration_results_and_files_of_a_task",
    )),
    AskedFor("no git needed", "a repository of its own", (
        "api/test_projects.py::test_a_project_without_git_has_a_repository_of_its_own",
    )),
    AskedFor(".datmoignore", "in the words of .gitignore", (
        "capture/test_code_ignored.py::test_our_own_rules_mean_what_gits_mean",
    )),
    AskedFor("progress on long work", "a bar, and progress= in Python", (
        "cli/test_bar.py::test_it_shows_bytes_and_goes_away_again",
        "api/test_progress.py::test_the_bytes_of_files_are_told",
    )),
    AskedFor("a dashboard", "task ls --watch, and the live view of a sweep", (
        "cli/test_task_watch.py::test_watching_ends_with_ctrl_c",
        "cli/test_task_live.py::test_the_view_has_time_parameters_metrics_and_the_last_line",
    )),
    # Never built
    AskedFor("sharing with a team", "export and import, history and all", (
        "api/test_archives.py::test_everything_arrives_and_the_history_with_it",
        "api/test_archives.py::test_importing_twice_doubles_nothing",
    )),
    AskedFor("results while a task runs", "metrics and results as they are reported", (
        "api/test_inside.py::test_it_is_seen_while_the_task_runs",
    )),
    AskedFor("results beyond what is printed", "the outbox, from any language", (
        "api/test_inside.py::test_any_language_may_append_lines",
        "inside/test_outbox.py::test_configuration_and_results_are_what_they_were_given",
    )),
    AskedFor("which environment is used, made plain", "said at each run and by environment ls", (
        "api/test_environments.py::test_which_is_in_use_and_why_and_nothing_is_recorded",
        "api/test_tasks.py::test_where_it_runs_and_why_is_said_and_recorded",
    )),
    AskedFor("cells of a notebook as runs", "project.track in a cell", (
        "api/test_notebook_kernel.py::test_a_cell_that_is_tracked_is_of_the_notebook",
    )),
    AskedFor("data folders from outside of the project", "kept by --filepaths, back beside the tree or by --to", (
        "api/test_checkout.py::test_what_has_no_place_in_the_tree_is_put_beside_it",
        "api/test_checkout.py::test_another_folder_gets_everything_and_nothing_else_is_touched",
    )),
)  # fmt: skip
