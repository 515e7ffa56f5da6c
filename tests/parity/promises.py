"""What users of the original could rely on, and how it failed them: each with the tests that show how ours behaves.

A row is what ours does, in a line, and the tests, below `tests/`. Of the failures, `never` says what is not to happen
again.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KEPT", "NEVER_AGAIN", "Kept", "NeverAgain"]


class Kept(NamedTuple):
    """Something that users' code depends on."""

    ours: str
    shown: tuple[str, ...]


class NeverAgain(NamedTuple):
    """A failure of the original, and what ours does in its place."""

    never: str
    ours: str
    shown: tuple[str, ...]


NEVER_AGAIN = (
    NeverAgain("sessions unusable from the shell", "all four commands, and their flags", (
        "cli/test_session.py::test_create_makes_the_new_session_the_current_one",
        "cli/test_session.py::test_create_leaves_the_current_one_as_it_is_where_it_is_told_to",
        "cli/test_session.py::test_select",
        "cli/test_session.py::test_delete_says_which_is_current_then",
        "cli/test_session.py::test_ls_marks_the_current_one",
    )),
    NeverAgain("the user's index lost, large files in git", "git is only read; large files lie in the store", (
        "api/test_untouched.py::test_a_command_leaves_the_repository_as_it_was",
        "api/test_untouched.py::test_so_do_init_and_cleanup",
        "capture/test_code_files.py::test_a_large_file_goes_to_the_store_and_is_said_so",
    )),
    NeverAgain("a new code id for the same dirty tree", "same content, same id", (
        "api/test_snapshots.py::test_an_unchanged_dirty_tree_keeps_its_code_id",
    )),
    NeverAgain("definitions ignored, files left in the root", "definitions are read, nothing is left", (
        "capture/test_environment.py::test_the_order_decides_and_what_is_passed_over_is_named",
        "capture/test_environment.py::test_a_lock_beside_a_pyproject_gives_the_versions",
        "capture/test_environment.py::test_an_environment_yml_is_put_into_pips_words",
        "api/test_tasks.py::test_requirements_are_installed_once_and_in_force",
        "api/test_untouched.py::test_a_command_leaves_the_repository_as_it_was",
    )),
    NeverAgain("COPY failed, images built at every run", "the project is the context, an image is built once", (
        "api/test_containers.py::test_an_image_is_built_once_until_what_it_copies_changes",
        "capture/test_image.py::test_dockerignore_leaves_out_what_the_docker_program_leaves_out",
    )),
    NeverAgain("names left out of the hash, files stored again", "names are content, each file is stored once", (
        "parity/test_promises.py::test_a_name_is_content",
        "capture/test_files.py::test_the_same_files_have_the_same_id_and_are_stored_once",
    )),
    NeverAgain("ids taken unseen", "each is looked up, and named where it is none", (
        "parity/test_promises.py::test_whatever_is_named_is_looked_up_before_anything_is_written",
        "parity/test_promises.py::test_commands_name_the_id_that_they_do_not_find",
        "api/test_snapshots.py::test_an_unknown_environment_is_named",
    )),
    NeverAgain("--gpu without effect, a container to probe for GPUs", "passed on, said, no container", (
        "runner/test_docker_config.py::test_gpus_are_asked_for_as_devices",
        "api/test_tasks.py::test_gpu_is_a_wish",
        "parity/test_promises.py::test_no_engine_is_asked_for_gpus",
    )),
    NeverAgain("the live tree mounted, files left to root", "the captured code, files of the caller", (
        "api/test_containers.py::test_edits_made_meanwhile_do_not_matter",
        "runner/test_docker_executor.py::test_what_root_made_is_handed_back_to_the_caller",
    )),
    NeverAgain("two runs at once mixed up", "each its own output and end", (
        "engine/test_races.py::test_many_tasks_of_one_process_do_not_mix",
        "engine/test_races.py::test_snapshots_and_tasks_of_many_at_once_are_all_there",
        "runner/test_docker_executor.py::test_more_tasks_than_a_client_has_connections_by_default_run_at_once",
    )),
    NeverAgain("no log, no exit code of a failure", "both streams, the code, the reason", (
        "api/test_containers.py::test_a_container_that_fails_keeps_its_log_and_code",
        "api/test_tasks.py::test_a_failing_command_is_a_failed_task_with_its_log_and_code",
        "cli/test_task.py::test_the_exit_code_is_the_commands_own",
    )),
    NeverAgain("Ctrl-C left a container, and a task RUNNING", "it is stopped, recorded, said", (
        "api/test_containers.py::test_cancelling_ends_the_container",
        "cli/test_program.py::test_a_signal_stops_the_task_in_order",
        "api/test_stopping.py::test_whenever_it_is_cancelled_no_task_is_left_unfinished",
    )),
    NeverAgain("containers and images left for ever", "tidied up; cleanup says what goes", (
        "runner/test_docker_executor.py::test_a_command_that_is_not_there_or_cannot_be_executed_fails_and_leaves_nothing",
        "api/test_containers.py::test_cleanup_removes_the_images",
        "cli/test_project.py::test_cleanup_lists_what_goes_and_removes_nothing_where_nobody_can_say_yes",
    )),
    NeverAgain("checkout detached HEAD, brought back code alone", "all of it, exact, and a way back", (
        "api/test_round_trips.py::test_checkout_and_the_way_back_are_exact",
        "api/test_checkout.py::test_code_comes_back_and_git_stays_as_it_was",
        "api/test_checkout.py::test_files_of_the_project_return_to_their_places",
        "api/test_checkout.py::test_the_configurations_file_comes_back",
        "cli/test_snapshot_checkout.py::test_what_was_done_is_said",
    )),
    NeverAgain("a diff of ids", "values, files, environment, code line by line", (
        "api/test_diff.py::test_everything_that_differs_is_named",
        "cli/test_snapshot_diff.py::test_the_codes_changes_line_by_line_or_counted",
    )),
    NeverAgain("a second snapshot's words dropped", "a snapshot of its own that shares the content", (
        "api/test_snapshots.py::test_the_same_content_twice_is_two_snapshots_that_share_it",
    )),
    NeverAgain("a moved project broken", "moved, copied, without absolute paths", (
        "api/test_projects.py::test_a_moved_project_goes_on",
        "api/test_projects.py::test_a_copied_project_goes_its_own_way",
        "api/test_projects.py::test_no_absolute_path_is_kept",
    )),
    NeverAgain("stop --all changed finished tasks", "only what runs is stopped", (
        "api/test_recovery.py::test_what_has_ended_is_left_as_it_is",
    )),
    NeverAgain("a missing program was a success", "FAILED, 127, with the reason", (
        "api/test_tasks.py::test_a_command_that_is_not_there_failed_with_127",
    )),
    NeverAgain("tracebacks, empty errors, exit code 0", "one line, a hint, an exit code", (
        "cli/test_project.py::test_outside_of_a_project_every_command_exits_with_3_and_says_what_makes_one",
        "cli/test_tree.py::test_mistakes_in_the_command_line_are_one_line_and_a_hint",
        "parity/test_promises.py::test_each_kind_of_failure_has_its_exit_code",
    )),
    NeverAgain("only in the root", "from any folder below", (
        "cli/test_project.py::test_commands_work_from_any_folder_below",
    )),
    NeverAgain("whole ids only", "any unique prefix", (
        "api/test_snapshots.py::test_one_is_found_by_id_label_or_prefix",
        "api/test_tasks.py::test_one_is_found_by_id_or_prefix",
        "api/test_sessions.py::test_select_takes_a_name_an_id_or_a_prefix",
    )),
)  # fmt: skip

KEPT = (
    # Entities
    Kept("a snapshot has all its attributes", ("api/test_snapshots.py::test_a_snapshot_has_all_that_the_seed_names",)),
    Kept("None and {} where nothing was given", ("api/test_snapshots.py::test_what_is_not_given_is_none_or_empty",)),
    Kept("snapshots compare by id, str() tells", (
        "api/test_snapshots.py::test_equal_means_the_same_snapshot_and_str_shows_what_it_is",
    )),
    Kept("a task has all its attributes", ("api/test_tasks.py::test_a_task_has_all_that_the_seed_names",)),
    Kept("a held task follows the running one", ("parity/test_promises.py::test_a_held_task_follows_the_running_one",)),
    Kept("str() of a task", ("api/test_tasks.py::test_equal_means_the_same_task_and_str_shows_what_it_is",)),
    Kept("code ids are commits", (
        "api/test_snapshots.py::test_the_code_of_a_clean_tree_is_heads_commit",
        "api/test_projects.py::test_a_project_without_git_has_a_repository_of_its_own",
    )),
    Kept("classes are made of core entities alone", (
        "api/test_sync.py::test_classes_are_made_from_core_entities_and_nothing_else",
    )),
    Kept("files are read, never written", (
        "api/test_snapshots.py::test_files_are_opened_as_text_or_bytes_and_never_for_writing",
    )),
    Kept("a file's name ends in its path", (
        "api/test_snapshots.py::test_files_are_kept_by_their_paths",
        "capture/test_files.py::test_equal_names_are_kept_apart_by_as_many_folders_as_it_takes",
    )),
    Kept("logs join both streams, lines whole", (
        "api/test_tasks.py::test_both_streams_are_recorded_and_no_line_breaks_another",
    )),
    # snapshot.create
    Kept("a message is required", (
        "api/test_snapshots.py::test_a_message_is_required", "cli/test_snapshot.py::test_a_message_is_needed",
    )),
    Kept("the environment given, else the root's", (
        "api/test_snapshots.py::test_the_environment_is_the_roots_definition_or_the_given_one",
    )),
    Kept("config.json and stats.json, in the root and then in the files", (
        "api/test_values.py::test_config_and_stats_are_looked_up_in_the_root",
        "api/test_values.py::test_given_values_go_before_files",
        "api/test_values.py::test_the_given_files_are_looked_through_after_the_root",
    )),
    Kept("an unknown filename is {}, an unknown filepath an error", (
        "api/test_values.py::test_another_filename_can_be_given_and_an_unknown_one_gives_nothing",
        "api/test_values.py::test_a_filepath_must_be_there",
    )),
    Kept("a snapshot of a task is what it ran and left", (
        "api/test_snapshots.py::test_a_snapshot_of_a_task_is_what_it_ran_and_left",
        "api/test_snapshots.py::test_values_given_beside_a_task_take_the_place_of_its_own",
    )),
    Kept("what a task decides is refused beside it", (
        "api/test_snapshots.py::test_what_the_task_decides_cannot_be_given_beside_it",
        "api/test_snapshots.py::test_a_task_that_has_not_ended_is_refused",
    )),
    Kept("the same content twice is said", ("cli/test_snapshot.py::test_the_same_content_twice_is_said",)),
    Kept("options that exclude one another", ("cli/test_snapshot.py::test_options_of_which_only_one_can_hold",)),
    Kept("--filepaths and --ports may be repeated", (
        "cli/test_snapshot.py::test_files_and_folders_are_kept", "cli/test_task.py::test_flags_reach_the_task",
    )),
    Kept("files from the caller's folder, home searched for upwards only where it is not given", (
        "api/test_snapshots.py::test_filepaths_are_taken_from_the_working_folder",
        "api/test_projects.py::test_an_explicit_home_is_the_project_itself",
        "api/test_projects.py::test_it_is_found_from_a_folder_below",
    )),
    Kept("env is taken from the project", ("parity/test_promises.py::test_a_relative_env_is_taken_from_the_project",)),
    # task.run
    Kept("a command is text or a list", (
        "api/test_tasks.py::test_a_string_is_split_as_a_shell_splits_and_a_list_is_taken_as_it_is",
        "cli/test_task.py::test_what_stands_behind_two_dashes_is_one_command",
        "cli/test_task_many.py::test_several_commands_and_what_stands_behind_the_dashes",
    )),
    Kept("no command is an error", ("api/test_tasks.py::test_no_command_is_an_error_before_anything_runs",)),
    Kept("interactive: a terminal, and a shell where there is no command", (
        "cli/test_task_terminal.py::test_a_python_prompt_in_a_container_with_resize_and_ctrl_c",
        "cli/test_task_terminal.py::test_without_a_command_there_is_a_shell",
        "cli/test_task_terminal.py::test_it_needs_a_terminal",
    )),
    Kept("a failing command gives a failed task", (
        "api/test_tasks.py::test_a_failing_command_is_a_failed_task_with_its_log_and_code",
    )),
    Kept("a Dockerfile means a container, all else a process", (
        "api/test_containers.py::test_a_dockerfile_means_a_container",
        "api/test_tasks.py::test_requirements_are_installed_once_and_in_force",
        "api/test_containers.py::test_a_project_without_a_dockerfile_runs_in_a_container_where_it_is_asked_for",
    )),
    Kept("where it runs, and why, is said", ("api/test_tasks.py::test_where_it_runs_and_why_is_said_and_recorded",)),
    Kept("no engine where a container is asked for", (
        "api/test_containers.py::test_where_no_engine_answers_it_says_so_before_anything_is_recorded",
    )),
    Kept("a task stopped before its start says so", (
        "api/test_stopping.py::test_cancelled_before_it_was_started_it_says_so",
    )),
    Kept("code in /home, files in /task, data in /data", (
        "runner/test_docker_executor.py::test_a_task_sees_its_folders_and_variables_and_its_files_are_the_callers",
        "runner/test_docker_executor.py::test_the_data_folder_is_there_without_data",
        "api/test_tasks.py::test_what_it_is_told",
    )),
    Kept("new and changed files of the checkout are the task's, too", (
        "api/test_tasks.py::test_its_files_are_what_it_wrote_and_its_log",
    )),
    Kept("results from `key: value` and stats.json, numbers as numbers", (
        "api/test_tasks.py::test_results_are_numbers_where_they_are_numbers",
        "api/test_tasks.py::test_stats_json_is_merged_into_the_results",
    )),
    Kept("ports on 127.0.0.1, one number for a process", (
        "runner/test_docker_executor.py::test_a_port_is_reached_on_the_loopback_only_and_cannot_be_given_twice",
        "api/test_tasks.py::test_a_process_cannot_be_given_another_port_than_the_hosts",
    )),
    Kept("task run exits as docker run does", (
        "cli/test_task.py::test_the_exit_code_is_the_commands_own",
        "cli/test_task.py::test_a_failure_of_ours_is_125",
        "cli/test_program.py::test_where_no_engine_answers_the_exit_code_is_that_of_docker_run",
        "cli/test_task_many.py::test_a_grid_runs_every_combination_and_prefixes_each_line",
    )),
    # Listing, stopping, sessions, init, config
    Kept("newest first, filtered by words and session", (
        "api/test_snapshots.py::test_ls_is_newest_first_filtered_and_limited",
        "api/test_tasks.py::test_ls_is_newest_first_filtered_and_limited",
        "cli/test_snapshot.py::test_ls_filters_by_words_and_session",
        "cli/test_task.py::test_ls_filters_by_command_name_and_session",
    )),
    Kept("a session by id, prefix or name", (
        "api/test_sessions.py::test_a_session_can_be_given_by_name_id_or_prefix",
    )),
    Kept("snapshot ls --all adds what they consist of", (
        "cli/test_snapshot.py::test_ls_with_all_shows_what_they_consist_of",
    )),
    Kept("what to stop is said once", ("cli/test_task_control.py::test_what_to_stop_is_said_once",)),
    Kept("default is there and stays", (
        "api/test_sessions.py::test_default_exists_from_the_start_and_is_current",
        "api/test_sessions.py::test_default_cannot_be_deleted",
    )),
    Kept("an empty or a taken name is refused", ("cli/test_session.py::test_a_taken_or_empty_name_is_refused",)),
    Kept("deleting a session", (
        "api/test_sessions.py::test_deleting_the_current_one_selects_default",
        "api/test_sessions.py::test_deleting_hides_what_is_in_it",
        "api/test_sessions.py::test_a_deleted_session_can_be_brought_back_with_what_is_in_it",
    )),
    Kept("no session is deleted while one of its tasks runs", (
        "api/test_sessions.py::test_one_in_which_a_task_runs_stays_until_that_has_ended",
    )),
    Kept("a snapshot made for a session belongs to it", (
        "api/test_sessions.py::test_a_session_can_be_given_by_name_id_or_prefix",
    )),
    Kept("an empty description, and the folder's name", (
        "api/test_projects.py::test_the_name_is_the_folders_where_none_is_given_and_the_description_may_be_empty",
    )),
    Kept("--gpus is strict", ("engine/test_devices.py::test_what_is_not_here_is_refused",)),
    Kept("init again keeps the id", ("api/test_projects.py::test_init_again_changes_the_words_and_keeps_the_id",)),
    Kept("init asks only on a terminal", (
        "cli/test_program.py::test_init_asks_for_a_name_on_a_terminal",
        "cli/test_project.py::test_init_without_a_name_takes_the_folders_where_nobody_can_be_asked",
    )),
    Kept("no folder, no project: each its own error", (
        "api/test_projects.py::test_a_home_that_is_no_folder_is_an_error_of_its_own",
        "api/test_projects.py::test_without_a_project_the_error_says_how_to_make_one",
    )),
    Kept("Config is one object, and keeps results", (
        "api/test_sync.py::test_config_is_one_object",
        "api/test_sync.py::test_cache_setting_keeps_a_result_until_it_expires",
    )),
    Kept("-h and --help everywhere", ("cli/test_tree.py::test_help_is_on_standard_output_everywhere",)),
)  # fmt: skip
