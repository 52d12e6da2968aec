# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_casque_global_optspecs
    string join \n root= log= log-format= log-level= debug systemd-cgroup cgroup-manager= rootless= v/version h/help
end

function __fish_casque_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_casque_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_casque_using_subcommand
    set -l cmd (__fish_casque_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c casque -n "__fish_casque_needs_command" -l root -d 'Where states are kept [default: /run/casque, or $XDG_RUNTIME_DIR/casque]' -r -F
complete -c casque -n "__fish_casque_needs_command" -l log -d 'Add errors and warnings to this file, or journald:ID or syslog:ID' -r -F
complete -c casque -n "__fish_casque_needs_command" -l log-format -d 'How log lines are written' -r -f -a "text\t''
json\t''"
complete -c casque -n "__fish_casque_needs_command" -l log-level -d 'What is told: error leaves warnings out, debug is --debug' -r -f -a "error\t''
warning\t''
debug\t''"
complete -c casque -n "__fish_casque_needs_command" -l cgroup-manager -d 'Who makes the cgroup; disabled: the container gets none' -r -f -a "cgroupfs\t''
systemd\t''
disabled\t''"
complete -c casque -n "__fish_casque_needs_command" -l rootless -d 'Accepted: it is found out' -r
complete -c casque -n "__fish_casque_needs_command" -l debug -d 'Tell each step of the plan too'
complete -c casque -n "__fish_casque_needs_command" -l systemd-cgroup -d 'Have systemd make the cgroup, as a unit'
complete -c casque -n "__fish_casque_needs_command" -s v -l version -d 'Print the version'
complete -c casque -n "__fish_casque_needs_command" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_needs_command" -f -a "check" -d 'Report all problems of a bundle, without running it'
complete -c casque -n "__fish_casque_needs_command" -f -a "create" -d 'Create a container, which waits for start'
complete -c casque -n "__fish_casque_needs_command" -f -a "delete" -d 'Delete a stopped container'
complete -c casque -n "__fish_casque_needs_command" -f -a "events" -d 'Print a container\'s statistics and lacks of memory as they come'
complete -c casque -n "__fish_casque_needs_command" -f -a "exec" -d 'Run a program in a running container'
complete -c casque -n "__fish_casque_needs_command" -f -a "features" -d 'Print what this runtime knows, as JSON'
complete -c casque -n "__fish_casque_needs_command" -f -a "kill" -d 'Send a signal to a container'
complete -c casque -n "__fish_casque_needs_command" -f -a "list" -d 'List the containers'
complete -c casque -n "__fish_casque_needs_command" -f -a "pause" -d 'Freeze all processes of a container'
complete -c casque -n "__fish_casque_needs_command" -f -a "plan" -d 'Print what create would do, step by step'
complete -c casque -n "__fish_casque_needs_command" -f -a "ps" -d 'List the processes of a container'
complete -c casque -n "__fish_casque_needs_command" -f -a "resume" -d 'Let the processes of a paused container go on'
complete -c casque -n "__fish_casque_needs_command" -f -a "run" -d 'Create and start a container, wait for its end, delete it'
complete -c casque -n "__fish_casque_needs_command" -f -a "spec" -d 'Write a config.json to start from'
complete -c casque -n "__fish_casque_needs_command" -f -a "start" -d 'Start a created container'
complete -c casque -n "__fish_casque_needs_command" -f -a "state" -d 'Print a container\'s state as JSON'
complete -c casque -n "__fish_casque_needs_command" -f -a "update" -d 'Change the limits of a container'
complete -c casque -n "__fish_casque_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c casque -n "__fish_casque_using_subcommand check" -s b -l bundle -d 'The bundle: a directory with config.json [default: .]' -r -F
complete -c casque -n "__fish_casque_using_subcommand check" -s f -l config -d 'Another file than the bundle\'s config.json' -r -F
complete -c casque -n "__fish_casque_using_subcommand check" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand create" -s b -l bundle -d 'The bundle: a directory with config.json [default: .]' -r -F
complete -c casque -n "__fish_casque_using_subcommand create" -s f -l config -d 'Another file than the bundle\'s config.json' -r -F
complete -c casque -n "__fish_casque_using_subcommand create" -l console-socket -d 'A socket that the terminal is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand create" -l pidfd-socket -d 'A socket that a pidfd of the process is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand create" -l pid-file -d 'Write the process id to this file' -r -F
complete -c casque -n "__fish_casque_using_subcommand create" -l preserve-fds -d 'Pass descriptors 3 to 2+N on to the program' -r
complete -c casque -n "__fish_casque_using_subcommand create" -l no-pivot -d 'chroot instead of pivot_root, for a root on a ramdisk'
complete -c casque -n "__fish_casque_using_subcommand create" -l no-new-keyring -d 'Keep the caller\'s session keyring'
complete -c casque -n "__fish_casque_using_subcommand create" -l no-subreaper -d 'Do not become the reaper of the container\'s orphans'
complete -c casque -n "__fish_casque_using_subcommand create" -s d -l detach -d 'Accepted: create never waits'
complete -c casque -n "__fish_casque_using_subcommand create" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand delete" -s f -l force -d 'Kill it first, and do not mind if it does not exist'
complete -c casque -n "__fish_casque_using_subcommand delete" -s r -l regex -d 'ID is an extended regular expression: all containers that match'
complete -c casque -n "__fish_casque_using_subcommand delete" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand events" -l interval -d 'How often statistics are printed' -r
complete -c casque -n "__fish_casque_using_subcommand events" -l stats -d 'Print the statistics once, and end'
complete -c casque -n "__fish_casque_using_subcommand events" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand exec" -l console-socket -d 'A socket that the terminal is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand exec" -l pidfd-socket -d 'A socket that a pidfd of the process is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand exec" -l pid-file -d 'Write the process id to this file' -r -F
complete -c casque -n "__fish_casque_using_subcommand exec" -l cwd -d 'The program\'s working directory' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -s e -l env -d 'Add a variable to the environment' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -s u -l user -d 'The program\'s user, by number' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -s g -l additional-gids -d 'Add a supplementary group' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -l process-label -d 'The SELinux label' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -l apparmor -d 'The AppArmor profile' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -s c -l cap -d 'Add a capability' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -l preserve-fds -d 'Pass descriptors 3 to 2+N on to the program' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -l cgroup -d 'Run it in this cgroup, below the container\'s' -r
complete -c casque -n "__fish_casque_using_subcommand exec" -s p -l process -d 'Take the process from this file' -r -F
complete -c casque -n "__fish_casque_using_subcommand exec" -s t -l tty -d 'Give the program a terminal'
complete -c casque -n "__fish_casque_using_subcommand exec" -s d -l detach -d 'Do not wait for the program\'s end'
complete -c casque -n "__fish_casque_using_subcommand exec" -l no-new-privs -d 'Let nothing raise the program\'s privileges'
complete -c casque -n "__fish_casque_using_subcommand exec" -l ignore-paused -d 'Run it in a paused container too: it begins when that is resumed'
complete -c casque -n "__fish_casque_using_subcommand exec" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand features" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand kill" -s a -l all -d 'Signal every process of the container'
complete -c casque -n "__fish_casque_using_subcommand kill" -s r -l regex -d 'ID is an extended regular expression: all containers that match'
complete -c casque -n "__fish_casque_using_subcommand kill" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand list" -s f -l format -d 'What is printed' -r -f -a "table\t''
json\t''"
complete -c casque -n "__fish_casque_using_subcommand list" -s q -l quiet -d 'Print IDs only'
complete -c casque -n "__fish_casque_using_subcommand list" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand pause" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand plan" -s b -l bundle -d 'The bundle: a directory with config.json [default: .]' -r -F
complete -c casque -n "__fish_casque_using_subcommand plan" -s f -l config -d 'Another file than the bundle\'s config.json' -r -F
complete -c casque -n "__fish_casque_using_subcommand plan" -l console-socket -d 'A socket that the terminal is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand plan" -l pidfd-socket -d 'A socket that a pidfd of the process is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand plan" -l pid-file -d 'Write the process id to this file' -r -F
complete -c casque -n "__fish_casque_using_subcommand plan" -l preserve-fds -d 'Pass descriptors 3 to 2+N on to the program' -r
complete -c casque -n "__fish_casque_using_subcommand plan" -l no-pivot -d 'chroot instead of pivot_root, for a root on a ramdisk'
complete -c casque -n "__fish_casque_using_subcommand plan" -l no-new-keyring -d 'Keep the caller\'s session keyring'
complete -c casque -n "__fish_casque_using_subcommand plan" -l no-subreaper -d 'Do not become the reaper of the container\'s orphans'
complete -c casque -n "__fish_casque_using_subcommand plan" -l json -d 'Print JSON'
complete -c casque -n "__fish_casque_using_subcommand plan" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand ps" -s f -l format -d 'What is printed' -r -f -a "table\t''
json\t''"
complete -c casque -n "__fish_casque_using_subcommand ps" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand resume" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand run" -s b -l bundle -d 'The bundle: a directory with config.json [default: .]' -r -F
complete -c casque -n "__fish_casque_using_subcommand run" -s f -l config -d 'Another file than the bundle\'s config.json' -r -F
complete -c casque -n "__fish_casque_using_subcommand run" -l console-socket -d 'A socket that the terminal is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand run" -l pidfd-socket -d 'A socket that a pidfd of the process is sent to' -r -F
complete -c casque -n "__fish_casque_using_subcommand run" -l pid-file -d 'Write the process id to this file' -r -F
complete -c casque -n "__fish_casque_using_subcommand run" -l preserve-fds -d 'Pass descriptors 3 to 2+N on to the program' -r
complete -c casque -n "__fish_casque_using_subcommand run" -l no-pivot -d 'chroot instead of pivot_root, for a root on a ramdisk'
complete -c casque -n "__fish_casque_using_subcommand run" -l no-new-keyring -d 'Keep the caller\'s session keyring'
complete -c casque -n "__fish_casque_using_subcommand run" -l no-subreaper -d 'Do not become the reaper of the container\'s orphans'
complete -c casque -n "__fish_casque_using_subcommand run" -s d -l detach -d 'Do not wait for the container\'s end'
complete -c casque -n "__fish_casque_using_subcommand run" -l keep -d 'Do not delete the container when it has ended'
complete -c casque -n "__fish_casque_using_subcommand run" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand spec" -s b -l bundle -d 'Where to write config.json [default: .]' -r -F
complete -c casque -n "__fish_casque_using_subcommand spec" -s f -l config -d 'Write this file instead' -r -F
complete -c casque -n "__fish_casque_using_subcommand spec" -l rootless -d 'For a container of the calling user, without root\'s help'
complete -c casque -n "__fish_casque_using_subcommand spec" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand start" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand state" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand update" -l blkio-weight -d 'Share of block input and output: 10 to 1000' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-burst -d 'What may be used beyond the quota, out of earlier periods' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-idle -d '1: run only when no other group wants to' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-period -d 'The period of the quota' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-quota -d 'Processor time in each period, -1 for no limit' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-rt-period -d 'Refused: cgroup v2 has nothing like it' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-rt-runtime -d 'Refused: cgroup v2 has nothing like it' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpu-share -d 'Share of processor time: 2 to 262144, normally 1024' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpuset-cpus -d 'Processors to run on, such as 0-3,7' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l kernel-memory -d 'Ignored: cgroup v2 has nothing like it' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l kernel-memory-tcp -d 'Ignored: cgroup v2 has nothing like it' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l l3-cache-schema -d 'Share of the processor\'s cache, such as L3:0=7f0; needs linux.intelRdt' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l mem-bw-schema -d 'Share of memory bandwidth, such as MB:0=20; needs linux.intelRdt' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l memory -d 'Memory, such as 512m; -1 for no limit' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l memory-reservation -d 'Memory that is taken back last' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l memory-swap -d 'Memory and swap together, -1 for no limit' -r
complete -c casque -n "__fish_casque_using_subcommand update" -l pids-limit -d 'Tasks, -1 for no limit' -r
complete -c casque -n "__fish_casque_using_subcommand update" -s r -l resources -d 'Read linux.resources from this file, - for standard input; other options count for nothing' -r
complete -c casque -n "__fish_casque_using_subcommand update" -s h -l help -d 'Print help'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "check" -d 'Report all problems of a bundle, without running it'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "create" -d 'Create a container, which waits for start'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "delete" -d 'Delete a stopped container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "events" -d 'Print a container\'s statistics and lacks of memory as they come'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "exec" -d 'Run a program in a running container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "features" -d 'Print what this runtime knows, as JSON'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "kill" -d 'Send a signal to a container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "list" -d 'List the containers'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "pause" -d 'Freeze all processes of a container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "plan" -d 'Print what create would do, step by step'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "ps" -d 'List the processes of a container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "resume" -d 'Let the processes of a paused container go on'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "run" -d 'Create and start a container, wait for its end, delete it'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "spec" -d 'Write a config.json to start from'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "start" -d 'Start a created container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "state" -d 'Print a container\'s state as JSON'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "update" -d 'Change the limits of a container'
complete -c casque -n "__fish_casque_using_subcommand help; and not __fish_seen_subcommand_from check create delete events exec features kill list pause plan ps resume run spec start state update help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
