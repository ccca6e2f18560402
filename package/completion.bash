# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of sinter for bash. It asks the program itself: commands and options come from --help; collections, pipelines and
# models from the server where one answers at once.

# `sinter ARGUMENTS`, at most for a second and without a word of its own.
_sinter_ask() { timeout 1 "$_sinter_program" "$@" 2>/dev/null; }

_sinter_commands() { _sinter_ask --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'; }
# Options of a command, and of its action where that has help of its own.
_sinter_options() { _sinter_ask "$@" --help | grep -o '^ *\(-[a-z], \)\?--[a-z-]*' | grep -o -- '--[a-z-]*'; echo --help; }
# What follows the command in its usage lines in lower case: list, deploy.
_sinter_actions() { _sinter_ask "$1" --help | sed -n '/usage:/,/^$/p' | sed -n "s/^.*sinter $1 \([a-z-]*\).*/\1/p;s/^.*sinter $1 \([a-z]* | [a-z |]*\).*/\1/p" | tr -d '|'; }

# Names in lines "    \"name\": \"shop\"" of protobuf JSON.
_sinter_json_values() { sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | sort -u; }
_sinter_server_option() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --server ]] && { _sinter_server=(--server "$(_sinter_address $((i + 1)))"); return; }
    done
    _sinter_server=()
}
# HOST:PORT is three words to bash.
_sinter_address() {
    local i=$1 text=${COMP_WORDS[$1]}
    while [[ ${COMP_WORDS[i + 1]} == : && $((i + 2)) -lt $COMP_CWORD ]]; do
        text+=:${COMP_WORDS[i + 2]}
        i=$((i + 2))
    done
    printf '%s' "$text"
}
_sinter_collections() { _sinter_ask status "${_sinter_server[@]}" --timeout 500ms | awk '$3 == "items" { print $1 }'; }
_sinter_models() { _sinter_ask model list "${_sinter_server[@]}" --timeout 500ms | awk 'NR > 1 && $1 ~ /\// { print $1 }'; }
# Pipelines are files beside the configuration: of -c, else here, else the installed one.
_sinter_pipelines() {
    local i config
    for config in config/sinter.yaml /etc/sinter/sinter.yaml; do [[ -e $config ]] && break; done
    for ((i = 1; i + 1 < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -c || ${COMP_WORDS[i]} == --config ]] && config=${COMP_WORDS[i + 1]}
    done
    local file
    for file in "$(dirname "$config")"/pipelines/*.yaml; do
        [[ -e $file ]] && basename "$file" .yaml
    done
}

_sinter_words() { COMPREPLY+=($(compgen -W "$1" -- "$2")); }
_sinter_files() { compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$1")); }

# What help calls the value of an option, "FILE.yaml"; empty: it takes none.
_sinter_metavar() {
    _sinter_help=${_sinter_help:-$(_sinter_ask "$1" --help; _sinter_ask "$1" "$3" --help)}
    sed -n "s/^ *\(-[a-z], \)\?$2 \([A-Z][A-Za-z.:/]*\).*/\2/p;s/^ *$2, --[a-z-]* \([A-Z][A-Za-z.:/]*\).*/\1/p" <<<"$_sinter_help" | head -n 1
}

# What stands after an option that wants a value.
_sinter_value() {
    case $1 in
    --pipeline) _sinter_words "$(_sinter_pipelines)" "$3" ;;
    --collection) _sinter_words "$(_sinter_collections)" "$3" ;;
    --role) _sinter_words "ranker fusion recall rewriter finisher trainer" "$3" ;;
    --operator) _sinter_words "or and" "$3" ;;
    *) case $2 in FILE* | DIR* | CONFIG*) _sinter_files "$3" ;; esac ;;
    esac
}

# The n-th word after the command that is no option.
_sinter_word() {
    local command=$1 action=$2 current=$3
    case $command in
    search | import | export | suggest | delete) if [[ -z $action ]]; then _sinter_words "$(_sinter_collections)" "$current"; else _sinter_files "$current"; fi ;;
    evaluate | train) _sinter_words "$(_sinter_pipelines)" "$current" ;;
    model) if [[ -n $action ]]; then _sinter_words "$(_sinter_models)" "$current"; fi ;;
    plugin | events | journal | demo) if [[ -n $action ]]; then _sinter_files "$current"; fi ;;
    esac
    if [[ -z $action && " search import export suggest delete " != *" $command "* ]]; then _sinter_words "$(_sinter_actions "$command")" "$current"; fi
}

_sinter() {
    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} action="" i value
    local _sinter_program=${COMP_WORDS[0]} _sinter_server=() _sinter_help=""
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _sinter_words "$(_sinter_commands) --help --version" "$current"
        return
    fi
    _sinter_server_option
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -* ]]; then
            value=$(_sinter_metavar "$command" "${COMP_WORDS[i]}" "$action")
            [[ -z $value ]] && continue
            if ((i + 1 == COMP_CWORD)); then
                _sinter_value "${COMP_WORDS[i]}" "$value" "$current"
                return
            fi
            i=$((i + 1))
            while [[ ${COMP_WORDS[i + 1]} == : && $((i + 2)) -lt $COMP_CWORD ]]; do i=$((i + 2)); done
        elif [[ -z $action ]]; then
            action=${COMP_WORDS[i]}
            _sinter_help=""
        fi
    done
    if [[ $current == -* ]]; then
        _sinter_words "$(_sinter_options "$command"; [[ -n $action ]] && _sinter_options "$command" "$action")" "$current"
    else
        _sinter_word "$command" "$action" "$current"
    fi
}
complete -F _sinter sinter
