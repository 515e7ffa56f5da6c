"""What bash, zsh and fish are told, so that they complete the words of `datmo`.

Each hands the words so far to the program itself, which answers a line for each candidate: a kind, the candidate,
what it is, with tabs between them. The kind `file` says that the shell's own files are wanted, `part` that the word
goes on behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SCRIPTS", "VARIABLE"]

VARIABLE = "_DATMO_COMPLETE"
"""Set, with the shell's name, where the program is asked for candidates."""

_BASH = r"""# datmo completion for bash; in ~/.bashrc:  eval "$(datmo completion bash)"
_datmo() {
    local kind value about
    COMPREPLY=()
    while IFS=$'\t' read -r kind value about; do
        if [[ $kind == file ]]; then
            compopt -o default
        else
            [[ $kind == part ]] && compopt -o nospace
            [[ $value == *[!A-Za-z0-9._=-]* && ${COMP_WORDS[COMP_CWORD]} != [\'\"]* ]] && printf -v value %q "$value"
            COMPREPLY+=("$value")
        fi
    done < <(_DATMO_COMPLETE=bash "${COMP_WORDS[0]}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o nosort -F _datmo datmo 2>/dev/null || complete -F _datmo datmo
"""

_ZSH = r"""#compdef datmo
# datmo completion for zsh; in ~/.zshrc, behind compinit:  eval "$(datmo completion zsh)"
_datmo() {
    local kind value about files
    local -a candidates parts
    while IFS=$'\t' read -r kind value about; do
        if [[ $kind == file ]]; then
            files=1
        elif [[ $kind == part ]]; then
            parts+=("${value//:/\\:}${about:+:$about}")
        else
            candidates+=("${value//:/\\:}${about:+:$about}")
        fi
    done < <(_DATMO_COMPLETE=zsh "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#candidates )) && _describe -V datmo candidates
    (( $#parts )) && _describe -V datmo parts -S ''
    [[ -n $files ]] && _files
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _datmo "$@"
else
    compdef _datmo datmo
fi
"""

_FISH = r"""# datmo completion for fish:  datmo completion fish > ~/.config/fish/completions/datmo.fish
function __datmo_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (_DATMO_COMPLETE=fish $words[1] $words[2..-1] "$current" 2>/dev/null)
        set -l parts (string split \t -- $line)
        if test "$parts[1]" = file
            __fish_complete_path "$current"
        else
            printf '%s\t%s\n' $parts[2] "$parts[3]"
        end
    end
end
complete -c datmo -f -a '(__datmo_complete)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
