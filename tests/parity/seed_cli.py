"""The command line of the seed's documentation (0.0.7, chapter 2.1): every command, flag and positional.

Each row names the test that shows what it does. What ours adds to a command is in `tests/cli/test_tree.py`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ARGUMENTS", "COMMANDS", "GROUPS", "OPTIONS"]


class Command(NamedTuple):
    """A command, and the test that shows what it does."""

    path: str
    shown: str


class Option(NamedTuple):
    """A flag of a command.

    Attributes:
        path: the command.
        names: as it is typed, long and short.
        takes: `value`; `values`, repeatable; `maybe`, a value that may be left out; or `nothing`.
        default: what holds where it is not given.
        shown: the test that shows what it does.
    """

    path: str
    names: str
    takes: str
    default: object
    shown: str


class Argument(NamedTuple):
    """A positional of a command; a required one may be given in a second way, by an option."""

    path: str
    metavar: str
    required: bool
    shown: str


GROUPS = {
    "": "init version status cleanup session snapshot task",
    "session": "create delete ls select",
    "snapshot": "create delete ls checkout diff inspect",
    "task": "run ls stop",
}

COMMANDS = (
    Command("init", "cli/test_project.py::test_init_prints_the_id_and_says_what_to_do_next"),
    Command("version", "cli/test_project.py::test_version"),
    Command("status", "cli/test_project.py::test_status_shows_the_current_snapshot"),
    Command("cleanup", "cli/test_project.py::test_cleanup_with_a_yes_removes_the_project_and_leaves_your_files"),
    Command("session create", "cli/test_session.py::test_create_makes_the_new_session_the_current_one"),
    Command("session delete", "cli/test_session.py::test_delete_says_which_is_current_then"),
    Command("session ls", "cli/test_session.py::test_ls_marks_the_current_one"),
    Command("session select", "cli/test_session.py::test_select"),
    Command("snapshot create", "cli/test_snapshot.py::test_create_prints_the_id_and_says_the_next_step"),
    Command("snapshot delete", "cli/test_snapshot_words.py::test_delete_and_undelete"),
    Command("snapshot ls", "cli/test_snapshot.py::test_ls_is_newest_first_and_marks_the_current_one"),
    Command("snapshot checkout", "cli/test_snapshot_checkout.py::test_what_was_done_is_said"),
    Command("snapshot diff", "cli/test_snapshot_diff.py::test_the_page_says_what_differs"),
    Command("snapshot inspect", "cli/test_snapshot.py::test_inspect_takes_an_id_a_prefix_or_a_label"),
    Command("task run", "cli/test_task.py::test_output_is_passed_on_and_the_rest_is_said_beside_it"),
    Command("task ls", "cli/test_task.py::test_ls_is_newest_first"),
    Command("task stop", "cli/test_task_control.py::test_what_to_stop_is_said_once"),
)

_CREATE = "snapshot create"
_NAMED = "cli/test_snapshot.py::test_what_a_snapshot_consists_of_can_be_named"
_DEFINED = "cli/test_snapshot.py::test_an_environment_can_be_defined_by_a_file"
_IN_FULL = "cli/test_snapshot.py::test_ls_with_all_shows_what_they_consist_of"
_SWITCHED = "cli/test_session.py::test_create_leaves_the_current_one_as_it_is_where_it_is_told_to"
_PORT = "runner/test_docker_executor.py::test_a_port_is_reached_on_the_loopback_only_and_cannot_be_given_twice"
_SHELL = "cli/test_task_terminal.py::test_without_a_command_there_is_a_shell"
_VALUES = "cli/test_snapshot.py::test_config_and_stats_are_found_by_name_or_path"

OPTIONS = (
    Option("init", "--name", "value", None, "cli/test_project.py::test_init_again_changes_the_words_and_keeps_the_id"),
    Option("init", "--description", "value", None, "cli/test_project.py::test_status_of_a_new_project"),
    # The seed's default is "", which names no session: it is refused.
    Option("session create", "--name -m", "value", None, "cli/test_session.py::test_a_taken_or_empty_name_is_refused"),
    Option("session create", "--current", "nothing", True, _SWITCHED),
    Option("session delete", "--name", "value", None, "cli/test_session.py::test_a_name_is_given_once"),
    Option("session select", "--name", "value", None, "cli/test_session.py::test_a_name_is_given_once"),
    Option(_CREATE, "--message -m", "value", None, "cli/test_snapshot.py::test_a_message_is_needed"),
    Option(_CREATE, "--label -l", "value", None, "cli/test_snapshot.py::test_inspect_takes_an_id_a_prefix_or_a_label"),
    Option(_CREATE, "--session-id", "value", None, "cli/test_snapshot.py::test_ls_filters_by_words_and_session"),
    Option(_CREATE, "--task-id", "value", None, "cli/test_snapshot.py::test_a_snapshot_of_a_task"),
    Option(_CREATE, "--code-id", "value", None, _NAMED),
    Option(_CREATE, "--commit-id", "value", None, _NAMED),
    Option(_CREATE, "--environment-id", "value", None, _NAMED),
    Option(_CREATE, "--environment-def", "value", None, _DEFINED),
    Option(_CREATE, "--file-collection-id", "value", None, _NAMED),
    Option(_CREATE, "--filepaths", "values", (), "cli/test_snapshot.py::test_files_and_folders_are_kept"),
    Option(_CREATE, "--config-filename", "value", None, _VALUES),
    Option(_CREATE, "--config-filepath", "value", None, _VALUES),
    Option(_CREATE, "--stats-filename", "value", None, _VALUES),
    Option(_CREATE, "--stats-filepath", "value", None, _VALUES),
    Option("snapshot delete", "--id", "value", None, "cli/test_snapshot_words.py::test_delete_and_undelete"),
    Option("snapshot ls", "--session-id", "maybe", None, "cli/test_snapshot.py::test_ls_filters_by_words_and_session"),
    Option("snapshot ls", "--all -a", "nothing", False, _IN_FULL),
    Option("task run", "--gpu", "nothing", False, "api/test_tasks.py::test_gpu_is_a_wish"),
    Option("task run", "--ports -p", "values", (), _PORT),
    Option("task run", "--environment-def", "value", None, "cli/test_task.py::test_an_environment_can_be_given"),
    Option("task run", "--interactive", "nothing", False, _SHELL),
    Option("task ls", "--session-id", "maybe", None, "cli/test_task.py::test_ls_filters_by_command_name_and_session"),
    Option("task stop", "--id", "value", None, "cli/test_task_control.py::test_an_orphan_is_stopped"),
    Option("task stop", "--all -a", "nothing", False, "cli/test_task_control.py::test_what_to_stop_is_said_once"),
)  # fmt: skip

ARGUMENTS = (
    # As ID or as --id ID, and it must be given.
    Argument("snapshot checkout", "ID", False, "cli/test_snapshot_checkout.py::test_wrong_usage"),
    Argument("snapshot diff", "ID_1", True, "cli/test_snapshot_diff.py::test_the_document"),
    # Ours takes one alone, too, and compares it with the folder.
    Argument("snapshot diff", "ID_2", False, "cli/test_snapshot_diff.py::test_the_document"),
    Argument("snapshot inspect", "ID", True, "cli/test_snapshot.py::test_an_unknown_snapshot"),
    Argument("task run", "CMD", False, "cli/test_task.py::test_what_stands_behind_two_dashes_is_one_command"),
)
