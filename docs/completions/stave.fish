# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_stave_global_optspecs
    string join \n store= durability= h/help V/version
end

function __fish_stave_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_stave_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_stave_using_subcommand
    set -l cmd (__fish_stave_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c stave -n "__fish_stave_needs_command" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_needs_command" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_needs_command" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_needs_command" -s V -l version -d 'Print version'
complete -c stave -n "__fish_stave_needs_command" -f -a "run" -d 'Run a program in a new container of an image'
complete -c stave -n "__fish_stave_needs_command" -f -a "create" -d 'Make a container that `start` runs'
complete -c stave -n "__fish_stave_needs_command" -f -a "start" -d 'Run the program of containers again'
complete -c stave -n "__fish_stave_needs_command" -f -a "exec" -d 'Run another program in a container that runs'
complete -c stave -n "__fish_stave_needs_command" -f -a "ps" -d 'List containers'
complete -c stave -n "__fish_stave_needs_command" -f -a "logs" -d 'Print what the program of a container in the background has written'
complete -c stave -n "__fish_stave_needs_command" -f -a "wait" -d 'Wait until containers end, and print their exit statuses'
complete -c stave -n "__fish_stave_needs_command" -f -a "stop" -d 'Ask containers to end, and after a while kill them'
complete -c stave -n "__fish_stave_needs_command" -f -a "kill" -d 'Send containers a signal'
complete -c stave -n "__fish_stave_needs_command" -f -a "rm" -d 'Remove containers with all that was written in them'
complete -c stave -n "__fish_stave_needs_command" -f -a "build" -d 'Make an image from a Dockerfile'
complete -c stave -n "__fish_stave_needs_command" -f -a "commit" -d 'Make an image of what was written in a container'
complete -c stave -n "__fish_stave_needs_command" -f -a "volume" -d 'Directories that outlive containers'
complete -c stave -n "__fish_stave_needs_command" -f -a "attend" -d 'Wait for a container in the background'
complete -c stave -n "__fish_stave_needs_command" -f -a "load" -d 'Load the images of an archive into the store'
complete -c stave -n "__fish_stave_needs_command" -f -a "save" -d 'Save images to an archive'
complete -c stave -n "__fish_stave_needs_command" -f -a "import" -d 'Make an image of one layer from a tar of a file system'
complete -c stave -n "__fish_stave_needs_command" -f -a "export" -d 'Write the file system of an image as one tar'
complete -c stave -n "__fish_stave_needs_command" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c stave -n "__fish_stave_needs_command" -f -a "push" -d 'Push an image of the store to a registry'
complete -c stave -n "__fish_stave_needs_command" -f -a "search" -d 'Search a registry for images'
complete -c stave -n "__fish_stave_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c stave -n "__fish_stave_needs_command" -f -a "logout" -d 'Forget the credentials for a registry'
complete -c stave -n "__fish_stave_needs_command" -f -a "images" -d 'List the images of the store'
complete -c stave -n "__fish_stave_needs_command" -f -a "history" -d 'Show how an image was made'
complete -c stave -n "__fish_stave_needs_command" -f -a "inspect" -d 'Show all that is known of images, as JSON'
complete -c stave -n "__fish_stave_needs_command" -f -a "tag" -d 'Give an image another name'
complete -c stave -n "__fish_stave_needs_command" -f -a "rmi" -d 'Remove names, and images with their last name'
complete -c stave -n "__fish_stave_needs_command" -f -a "bundle" -d 'Make an OCI bundle of an image: config.json and rootfs'
complete -c stave -n "__fish_stave_needs_command" -f -a "unbundle" -d 'Remove a bundle that `stave bundle` has made'
complete -c stave -n "__fish_stave_needs_command" -f -a "unpack" -d 'Unpack an image into an OCI bundle: config.json and rootfs'
complete -c stave -n "__fish_stave_needs_command" -f -a "diff" -d 'Show how the files of two images differ, or what was written in a bundle'
complete -c stave -n "__fish_stave_needs_command" -f -a "verify" -d 'Read images again and compare everything with its digest'
complete -c stave -n "__fish_stave_needs_command" -f -a "df" -d 'Show what takes room in the store'
complete -c stave -n "__fish_stave_needs_command" -f -a "prune" -d 'Remove images without a name, steps of builds, and what nothing refers to'
complete -c stave -n "__fish_stave_needs_command" -f -a "fsck" -d 'Read the whole store and check it'
complete -c stave -n "__fish_stave_needs_command" -f -a "info" -d 'Tell of the store and of the machine'
complete -c stave -n "__fish_stave_needs_command" -f -a "version" -d 'Tell the versions of stave and of its runtime'
complete -c stave -n "__fish_stave_needs_command" -f -a "container" -d 'The commands of containers by their longer names: `container ls` is `ps`'
complete -c stave -n "__fish_stave_needs_command" -f -a "image" -d 'The commands of images by their longer names: `image ls` is `images`'
complete -c stave -n "__fish_stave_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand run" -l name -d 'How to call the container [default: two words]' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s e -l env -d 'Set a variable; without a value it is the caller\'s' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l env-file -d 'Set the variables of a file, one on a line' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s v -l volume -d 'Mount a path of the machine or a volume; options: ro, nocopy' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=,target=[,readonly]' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l tmpfs -d 'Mount a file system in memory' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s u -l user -d 'Who runs the program: names of the image, or numbers' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l group-add -d 'Add a supplementary group' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l entrypoint -d 'The program, in place of the image\'s entry point' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s h -l hostname -d 'How the machine is called in the container' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s l -l label -d 'Say something about the container' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l net -l network -d 'The machine\'s network, or none' -r -f -a "host\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand run" -s p -l publish -d 'Accepted where it changes nothing: the container has the machine\'s ports' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l stop-signal -d 'The signal that asks the program to end' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l ulimit -d 'A resource limit of the program' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l runtime -d 'The runtime, with runc\'s command line [default: casque, beside this program or in PATH]' -r -F
complete -c stave -n "__fish_stave_using_subcommand run" -l pull -d 'When to pull the image from its registry' -r -f -a "always\t''
missing\t''
never\t''"
complete -c stave -n "__fish_stave_using_subcommand run" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l cap-add -d 'Add a capability to Docker\'s fourteen, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l cap-drop -d 'Take a capability away, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l security-opt -d 'seccomp=FILE, seccomp=unconfined, or no-new-privileges' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s m -l memory -d 'Memory; units: k, m, g' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l memory-swap -d 'Memory and swap together; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l cpus -d 'How many CPUs\' time, such as 1.5' -r
complete -c stave -n "__fish_stave_using_subcommand run" -s c -l cpu-shares -d 'Share of the CPU beside others; 1024 is the common one' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l cpuset-cpus -d 'On which CPUs' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l pids-limit -d 'Processes; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l shm-size -d 'Size of /dev/shm' -r
complete -c stave -n "__fish_stave_using_subcommand run" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand run" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand run" -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand run" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand run" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand run" -l read-only -d 'Nothing in the root can be written to'
complete -c stave -n "__fish_stave_using_subcommand run" -s q -l quiet -d 'Say nothing of a pull'
complete -c stave -n "__fish_stave_using_subcommand run" -l privileged -d 'Everything is allowed: for trusted programs'
complete -c stave -n "__fish_stave_using_subcommand run" -s d -l detach -d 'Do not wait for the program: print the container\'s identifier'
complete -c stave -n "__fish_stave_using_subcommand run" -l rm -d 'Remove the container when it ends'
complete -c stave -n "__fish_stave_using_subcommand create" -l name -d 'How to call the container [default: two words]' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s e -l env -d 'Set a variable; without a value it is the caller\'s' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l env-file -d 'Set the variables of a file, one on a line' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s v -l volume -d 'Mount a path of the machine or a volume; options: ro, nocopy' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=,target=[,readonly]' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l tmpfs -d 'Mount a file system in memory' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s u -l user -d 'Who runs the program: names of the image, or numbers' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l group-add -d 'Add a supplementary group' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l entrypoint -d 'The program, in place of the image\'s entry point' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s h -l hostname -d 'How the machine is called in the container' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s l -l label -d 'Say something about the container' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l net -l network -d 'The machine\'s network, or none' -r -f -a "host\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand create" -s p -l publish -d 'Accepted where it changes nothing: the container has the machine\'s ports' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l stop-signal -d 'The signal that asks the program to end' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l ulimit -d 'A resource limit of the program' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l runtime -d 'The runtime, with runc\'s command line [default: casque, beside this program or in PATH]' -r -F
complete -c stave -n "__fish_stave_using_subcommand create" -l pull -d 'When to pull the image from its registry' -r -f -a "always\t''
missing\t''
never\t''"
complete -c stave -n "__fish_stave_using_subcommand create" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l cap-add -d 'Add a capability to Docker\'s fourteen, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l cap-drop -d 'Take a capability away, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l security-opt -d 'seccomp=FILE, seccomp=unconfined, or no-new-privileges' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s m -l memory -d 'Memory; units: k, m, g' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l memory-swap -d 'Memory and swap together; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l cpus -d 'How many CPUs\' time, such as 1.5' -r
complete -c stave -n "__fish_stave_using_subcommand create" -s c -l cpu-shares -d 'Share of the CPU beside others; 1024 is the common one' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l cpuset-cpus -d 'On which CPUs' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l pids-limit -d 'Processes; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l shm-size -d 'Size of /dev/shm' -r
complete -c stave -n "__fish_stave_using_subcommand create" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand create" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand create" -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand create" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand create" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand create" -l read-only -d 'Nothing in the root can be written to'
complete -c stave -n "__fish_stave_using_subcommand create" -s q -l quiet -d 'Say nothing of a pull'
complete -c stave -n "__fish_stave_using_subcommand create" -l privileged -d 'Everything is allowed: for trusted programs'
complete -c stave -n "__fish_stave_using_subcommand create" -l rm -d 'Remove the container when it ends'
complete -c stave -n "__fish_stave_using_subcommand start" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand start" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand start" -s a -l attach -d 'Wait for the program, which has this standard output'
complete -c stave -n "__fish_stave_using_subcommand start" -s i -l interactive -d 'Give the program this standard input; with --attach'
complete -c stave -n "__fish_stave_using_subcommand start" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand exec" -s e -l env -d 'Set a variable' -r
complete -c stave -n "__fish_stave_using_subcommand exec" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand exec" -s u -l user -d 'Who runs the program' -r
complete -c stave -n "__fish_stave_using_subcommand exec" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand exec" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand exec" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand exec" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand exec" -s d -l detach -d 'Do not wait for the program'
complete -c stave -n "__fish_stave_using_subcommand exec" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand ps" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand ps" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand ps" -s a -l all -d 'Also those that do not run'
complete -c stave -n "__fish_stave_using_subcommand ps" -s q -l quiet -d 'Print identifiers only'
complete -c stave -n "__fish_stave_using_subcommand ps" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand ps" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand ps" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand logs" -s n -l tail -d 'The last lines only' -r
complete -c stave -n "__fish_stave_using_subcommand logs" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand logs" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand logs" -s f -l follow -d 'Go on until it ends'
complete -c stave -n "__fish_stave_using_subcommand logs" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand wait" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand wait" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand wait" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand stop" -s t -l time -d 'How long to wait' -r
complete -c stave -n "__fish_stave_using_subcommand stop" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand stop" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand stop" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand kill" -s s -l signal -d 'A name or a number' -r
complete -c stave -n "__fish_stave_using_subcommand kill" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand kill" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand kill" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand rm" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand rm" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand rm" -s f -l force -d 'Kill those that run'
complete -c stave -n "__fish_stave_using_subcommand rm" -s v -l volumes -d 'Also the volumes without a name that only they had'
complete -c stave -n "__fish_stave_using_subcommand rm" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand build" -s f -l file -d 'The Dockerfile; `-` is the standard input [default: DIR/Dockerfile]' -r
complete -c stave -n "__fish_stave_using_subcommand build" -s t -l tag -d 'How to call the image' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l build-arg -d 'The value of an ARG' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l label -d 'Say something about the image' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l target -d 'The stage to build' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l network -d 'RUN\'s network' -r -f -a "host\t''
none\t''
default\t''"
complete -c stave -n "__fish_stave_using_subcommand build" -l secret -d 'A file for RUN --mount=type=secret' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l iidfile -d 'Write the identifier to this file' -r -F
complete -c stave -n "__fish_stave_using_subcommand build" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l runtime -d 'The runtime, with runc\'s command line [default: casque]' -r -F
complete -c stave -n "__fish_stave_using_subcommand build" -l progress -d 'Accepted: the output is plain' -r
complete -c stave -n "__fish_stave_using_subcommand build" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand build" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand build" -l no-cache -d 'Perform every step'
complete -c stave -n "__fish_stave_using_subcommand build" -l pull -d 'Pull images even if the store has them: they may have become others'
complete -c stave -n "__fish_stave_using_subcommand build" -s q -l quiet -d 'Print the identifier only'
complete -c stave -n "__fish_stave_using_subcommand build" -l rm -d 'Accepted: containers of RUN never stay'
complete -c stave -n "__fish_stave_using_subcommand build" -l force-rm -d 'Accepted: containers of RUN never stay'
complete -c stave -n "__fish_stave_using_subcommand build" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand commit" -s a -l author -d 'Who made it' -r
complete -c stave -n "__fish_stave_using_subcommand commit" -s m -l message -d 'What to say in its history' -r
complete -c stave -n "__fish_stave_using_subcommand commit" -s c -l change -d 'Change how it is run: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, USER, VOLUME or WORKDIR' -r
complete -c stave -n "__fish_stave_using_subcommand commit" -s p -l pause -d 'Pause the container meanwhile' -r -f -a "true\t''
false\t''"
complete -c stave -n "__fish_stave_using_subcommand commit" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand commit" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand commit" -s q -l quiet -d 'Print the identifier alone, as always'
complete -c stave -n "__fish_stave_using_subcommand commit" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "create" -d 'Make a volume'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "ls" -d 'List volumes'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "list" -d 'List volumes'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "inspect" -d 'Show all that is known of volumes, as JSON'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "rm" -d 'Remove volumes that no container has'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "prune" -d 'Remove volumes without a name that no container has'
complete -c stave -n "__fish_stave_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm prune help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from create" -l label -d 'Say something about it' -r
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from create" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from create" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from ls" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from ls" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names only'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from ls" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from list" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from list" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names only'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from rm" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from rm" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'One that is not there is no error'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from prune" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from prune" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Also those with a name'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Accepted: nothing is asked'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a volume'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List volumes'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Show all that is known of volumes, as JSON'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove volumes that no container has'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove volumes without a name that no container has'
complete -c stave -n "__fish_stave_using_subcommand volume; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand attend" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand attend" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand attend" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand load" -s i -l input -d 'The archive, as `docker load` takes it' -r -F
complete -c stave -n "__fish_stave_using_subcommand load" -l tag -d 'Call the image so; there must be only one in the archive' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand load" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand load" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand load" -l in-place -d 'Leave the layers in the archive, which must stay as it is, and check them when they are used'
complete -c stave -n "__fish_stave_using_subcommand load" -s q -l quiet -d 'Print the names of the images alone'
complete -c stave -n "__fish_stave_using_subcommand load" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand load" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand save" -s o -l output -d 'The archive, which appears when it is whole [default: the standard output]' -r -F
complete -c stave -n "__fish_stave_using_subcommand save" -l format -d 'As `docker save` writes it today, as it did before 1.10, or an OCI layout with the blobs as they are' -r -f -a "docker\t''
docker-legacy\t''
oci\t''"
complete -c stave -n "__fish_stave_using_subcommand save" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand save" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand save" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand save" -s q -l quiet -d 'Do not tell how far it is'
complete -c stave -n "__fish_stave_using_subcommand save" -l json -d 'Print as JSON what was saved; needs -o'
complete -c stave -n "__fish_stave_using_subcommand save" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand import" -s m -l message -d 'What to say in its history' -r
complete -c stave -n "__fish_stave_using_subcommand import" -s c -l change -d 'Say how it is run: CMD, ENTRYPOINT, ENV and the others that `commit` takes' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l platform -d 'For which machine it is [default: this one]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand import" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand import" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand import" -s q -l quiet -d 'Print the identifier alone'
complete -c stave -n "__fish_stave_using_subcommand import" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand import" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand export" -s o -l output -d 'The tar, which appears when it is whole [default: the standard output]' -r -F
complete -c stave -n "__fish_stave_using_subcommand export" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand export" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand export" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand export" -s q -l quiet -d 'Do not tell how far it is'
complete -c stave -n "__fish_stave_using_subcommand export" -l json -d 'Print as JSON what was exported; needs -o'
complete -c stave -n "__fish_stave_using_subcommand export" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand pull" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -s j -l jobs -d 'Layers that come at the same time' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l creds -d 'Log in so, this once' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand pull" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand pull" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand pull" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand pull" -s a -l all-tags -d 'Every tag of the repository'
complete -c stave -n "__fish_stave_using_subcommand pull" -s q -l quiet -d 'Print the name alone'
complete -c stave -n "__fish_stave_using_subcommand pull" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand pull" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand pull" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand push" -l compression -d 'How layers are sent that are not compressed' -r -f -a "gzip\t''
zstd\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand push" -s j -l jobs -d 'Layers that go at the same time' -r
complete -c stave -n "__fish_stave_using_subcommand push" -l creds -d 'Log in so, this once' -r
complete -c stave -n "__fish_stave_using_subcommand push" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand push" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand push" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand push" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand push" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand push" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand push" -s a -l all-tags -d 'Every tag that the repository has in the store'
complete -c stave -n "__fish_stave_using_subcommand push" -s q -l quiet -d 'Print the name alone'
complete -c stave -n "__fish_stave_using_subcommand push" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand push" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand push" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand search" -l limit -d 'The most repositories' -r
complete -c stave -n "__fish_stave_using_subcommand search" -l creds -d 'Log in so, this once' -r
complete -c stave -n "__fish_stave_using_subcommand search" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand search" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand search" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand search" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand search" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand search" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand search" -l list-tags -d 'List the tags of this one repository'
complete -c stave -n "__fish_stave_using_subcommand search" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand search" -s q -l quiet -d 'Print the names alone'
complete -c stave -n "__fish_stave_using_subcommand search" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand search" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand search" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand login" -s u -l username -d 'The user; asked for if need be' -r
complete -c stave -n "__fish_stave_using_subcommand login" -s p -l password -d 'The password, which others may see in the list of processes' -r
complete -c stave -n "__fish_stave_using_subcommand login" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand login" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand login" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand login" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand login" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand login" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand login" -l password-stdin -d 'Read the password from the standard input'
complete -c stave -n "__fish_stave_using_subcommand login" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand login" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand logout" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand logout" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand logout" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand images" -s f -l filter -d 'Only images with dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE or until=TIME' -r
complete -c stave -n "__fish_stave_using_subcommand images" -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand images" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand images" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand images" -s a -l all -d 'All of them: they always are, for layers are no images here'
complete -c stave -n "__fish_stave_using_subcommand images" -l digests -d 'Show the digests of the manifests'
complete -c stave -n "__fish_stave_using_subcommand images" -l tree -d 'Show which layers stand on which, as `docker images -tree` did'
complete -c stave -n "__fish_stave_using_subcommand images" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand images" -s q -l quiet -d 'Print the identifiers alone'
complete -c stave -n "__fish_stave_using_subcommand images" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand images" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand history" -s H -l human -d 'Sizes and times for people; `--human=false`: bytes and RFC 3339' -r -f -a "true\t''
false\t''"
complete -c stave -n "__fish_stave_using_subcommand history" -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand history" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand history" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand history" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand history" -s q -l quiet -d 'Print the identifiers alone'
complete -c stave -n "__fish_stave_using_subcommand history" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand history" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand inspect" -s f -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand inspect" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand inspect" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand inspect" -l json -d 'Print JSON, which it always is without --format'
complete -c stave -n "__fish_stave_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand tag" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand tag" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand tag" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand tag" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand rmi" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand rmi" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand rmi" -s f -l force -d 'Remove an image with all its names; one that is not there is no error'
complete -c stave -n "__fish_stave_using_subcommand rmi" -s q -l quiet -d 'Do not print what was removed'
complete -c stave -n "__fish_stave_using_subcommand rmi" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand rmi" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand bundle" -l image -d 'Which image of an archive, where there are several: a name, a tag or a digest' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand bundle" -l rootfs -d 'Whether the root is mounted or copied; auto tries to mount it' -r -f -a "auto\t''
mount\t''
copy\t''"
complete -c stave -n "__fish_stave_using_subcommand bundle" -l attach -d 'Where a mounted root is seen: at the bundle\'s rootfs, or inside of casque\'s container alone' -r -f -a "host\t''
container\t''"
complete -c stave -n "__fish_stave_using_subcommand bundle" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand bundle" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand bundle" -s q -l quiet -d 'Print errors only'
complete -c stave -n "__fish_stave_using_subcommand bundle" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand bundle" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand unbundle" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand unbundle" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand unbundle" -s q -l quiet -d 'Print errors only'
complete -c stave -n "__fish_stave_using_subcommand unbundle" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand unbundle" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand unpack" -l image -d 'Which image of an archive, where there are several: a name, a tag or a digest' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand unpack" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand unpack" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand unpack" -s q -l quiet -d 'Print errors only'
complete -c stave -n "__fish_stave_using_subcommand unpack" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand unpack" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand diff" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand diff" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand diff" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand diff" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand verify" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand verify" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand verify" -s q -l quiet -d 'Print errors only'
complete -c stave -n "__fish_stave_using_subcommand verify" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand verify" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand df" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand df" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand df" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand df" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand prune" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand prune" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand prune" -l cache -d 'Also what can be made again: the tars of compressed layers, and indexes for mounts'
complete -c stave -n "__fish_stave_using_subcommand prune" -s q -l quiet -d 'Do not print what was removed'
complete -c stave -n "__fish_stave_using_subcommand prune" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand prune" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand fsck" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand fsck" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand fsck" -l repair -d 'Remove what is damaged: caches are made again when they are needed, layers come with the next load'
complete -c stave -n "__fish_stave_using_subcommand fsck" -s q -l quiet -d 'Print errors only'
complete -c stave -n "__fish_stave_using_subcommand fsck" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand fsck" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand info" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand info" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand info" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand info" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand version" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand version" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand version" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand version" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "run" -d 'Run a program in a new container of an image'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "create" -d 'Make a container that `start` runs'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "start" -d 'Run the program of containers again'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "exec" -d 'Run another program in a container that runs'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "ls" -d 'List containers'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "logs" -d 'Print what the program of a container in the background has written'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "wait" -d 'Wait until containers end, and print their exit statuses'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "stop" -d 'Ask containers to end, and after a while kill them'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "kill" -d 'Send containers a signal'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "rm" -d 'Remove containers with all that was written in them'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "commit" -d 'Make an image of what was written in a container'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "diff" -d 'Show how the files of two images differ, or what was written in a bundle'
complete -c stave -n "__fish_stave_using_subcommand container; and not __fish_seen_subcommand_from run create start exec ls logs wait stop kill rm commit diff help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'How to call the container [default: two words]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set a variable; without a value it is the caller\'s' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Set the variables of a file, one on a line' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Mount a path of the machine or a volume; options: ro, nocopy' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=,target=[,readonly]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a file system in memory' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'Who runs the program: names of the image, or numbers' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Add a supplementary group' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'The program, in place of the image\'s entry point' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'How the machine is called in the container' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Say something about the container' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l net -l network -d 'The machine\'s network, or none' -r -f -a "host\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Accepted where it changes nothing: the container has the machine\'s ports' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'The signal that asks the program to end' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'A resource limit of the program' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l runtime -d 'The runtime, with runc\'s command line [default: casque, beside this program or in PATH]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'When to pull the image from its registry' -r -f -a "always\t''
missing\t''
never\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a capability to Docker\'s fourteen, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Take a capability away, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'seccomp=FILE, seccomp=unconfined, or no-new-privileges' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'Memory; units: k, m, g' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Memory and swap together; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'How many CPUs\' time, such as 1.5' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'Share of the CPU beside others; 1024 is the common one' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'On which CPUs' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'Processes; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Nothing in the root can be written to'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Say nothing of a pull'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Everything is allowed: for trusted programs'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Do not wait for the program: print the container\'s identifier'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it ends'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'How to call the container [default: two words]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Set a variable; without a value it is the caller\'s' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'Set the variables of a file, one on a line' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Mount a path of the machine or a volume; options: ro, nocopy' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=,target=[,readonly]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a file system in memory' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'Who runs the program: names of the image, or numbers' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Add a supplementary group' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'The program, in place of the image\'s entry point' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'How the machine is called in the container' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Say something about the container' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l net -l network -d 'The machine\'s network, or none' -r -f -a "host\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Accepted where it changes nothing: the container has the machine\'s ports' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'The signal that asks the program to end' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'A resource limit of the program' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l runtime -d 'The runtime, with runc\'s command line [default: casque, beside this program or in PATH]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'When to pull the image from its registry' -r -f -a "always\t''
missing\t''
never\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add a capability to Docker\'s fourteen, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Take a capability away, or ALL' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'seccomp=FILE, seccomp=unconfined, or no-new-privileges' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'Memory; units: k, m, g' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Memory and swap together; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'How many CPUs\' time, such as 1.5' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'Share of the CPU beside others; 1024 is the common one' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'On which CPUs' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'Processes; -1 for no limit' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Nothing in the root can be written to'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing of a pull'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Everything is allowed: for trusted programs'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container when it ends'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from start" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from start" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Wait for the program, which has this standard output'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Give the program this standard input; with --attach'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set a variable' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Where the program starts' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'Who runs the program' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Give the program this standard input'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Give the program a terminal'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Do not wait for the program'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Also those that do not run'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print identifiers only'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'The last lines only' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from logs" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from logs" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until it ends'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from wait" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from wait" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'How long to wait' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from stop" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from stop" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'A name or a number' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from kill" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from kill" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from rm" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from rm" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Kill those that run'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Also the volumes without a name that only they had'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Who made it' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'What to say in its history' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Change how it is run: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, USER, VOLUME or WORKDIR' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Pause the container meanwhile' -r -f -a "true\t''
false\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Print the identifier alone, as always'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "run" -d 'Run a program in a new container of an image'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a container that `start` runs'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "start" -d 'Run the program of containers again'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "exec" -d 'Run another program in a container that runs'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List containers'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "logs" -d 'Print what the program of a container in the background has written'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "wait" -d 'Wait until containers end, and print their exit statuses'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "stop" -d 'Ask containers to end, and after a while kill them'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "kill" -d 'Send containers a signal'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove containers with all that was written in them'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "commit" -d 'Make an image of what was written in a container'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Show how the files of two images differ, or what was written in a bundle'
complete -c stave -n "__fish_stave_using_subcommand container; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "build" -d 'Make an image from a Dockerfile'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "history" -d 'Show how an image was made'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "import" -d 'Make an image of one layer from a tar of a file system'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "inspect" -d 'Show all that is known of images, as JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "load" -d 'Load the images of an archive into the store'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "ls" -d 'List the images of the store'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "prune" -d 'Remove images without a name, steps of builds, and what nothing refers to'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "push" -d 'Push an image of the store to a registry'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "rm" -d 'Remove names, and images with their last name'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "save" -d 'Save images to an archive'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "tag" -d 'Give an image another name'
complete -c stave -n "__fish_stave_using_subcommand image; and not __fish_seen_subcommand_from build history import inspect load ls prune pull push rm save tag help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; `-` is the standard input [default: DIR/Dockerfile]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l tag -d 'How to call the image' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg -d 'The value of an ARG' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'Say something about the image' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l target -d 'The stage to build' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l network -d 'RUN\'s network' -r -f -a "host\t''
none\t''
default\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l secret -d 'A file for RUN --mount=type=secret' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the identifier to this file' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l runtime -d 'The runtime, with runc\'s command line [default: casque]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l progress -d 'Accepted: the output is plain' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache -d 'Perform every step'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l pull -d 'Pull images even if the store has them: they may have become others'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print the identifier only'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l rm -d 'Accepted: containers of RUN never stay'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted: containers of RUN never stay'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Sizes and times for people; `--human=false`: bytes and RFC 3339' -r -f -a "true\t''
false\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Print the identifiers alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'What to say in its history' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Say how it is run: CMD, ENTRYPOINT, ENV and the others that `commit` takes' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l platform -d 'For which machine it is [default: this one]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print the identifier alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from inspect" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from inspect" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from inspect" -l json -d 'Print JSON, which it always is without --format'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'The archive, as `docker load` takes it' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l tag -d 'Call the image so; there must be only one in the archive' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l in-place -d 'Leave the layers in the archive, which must stay as it is, and check them when they are used'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Print the names of the images alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from load" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only images with dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE or until=TIME' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'All of them: they always are, for layers are no images here'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show the digests of the manifests'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l tree -d 'Show which layers stand on which, as `docker images -tree` did'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print everything at full length'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print the identifiers alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -l cache -d 'Also what can be made again: the tars of compressed layers, and indexes for mounts'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Do not print what was removed'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'For which machine, where there are several; this one\'s is preferred' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -s j -l jobs -d 'Layers that come at the same time' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'Log in so, this once' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -s a -l all-tags -d 'Every tag of the repository'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Print the name alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l compression -d 'How layers are sent that are not compressed' -r -f -a "gzip\t''
zstd\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -s j -l jobs -d 'Layers that go at the same time' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'Log in so, this once' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l ca-file -d 'Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l retry -d 'How often a request is repeated after a passing failure' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l retry-delay -d 'The pause before the first repetition; it doubles each time' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l timeout -d 'How long a silent connection is waited for' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -s a -l all-tags -d 'Every tag that the repository has in the store'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Print the name alone'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -l plain-http -d 'Talk to the registry without TLS'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove an image with all its names; one that is not there is no error'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Do not print what was removed'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'The archive, which appears when it is whole [default: the standard output]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'As `docker save` writes it today, as it did before 1.10, or an OCI layout with the blobs as they are' -r -f -a "docker\t''
docker-legacy\t''
oci\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-size -d 'All layers together, inflated [default: 274877906944]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-ratio -d 'How many times its packed size a layer may have, past 1 GiB [default: 1000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-layers -d 'Layers of the image [default: 500]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-entries -d 'Entries of a layer [default: 5000000]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-metadata -d 'Extended headers of one entry [default: 1048576]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l max-json -d 'One JSON document [default: 8388608]' -r
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Do not tell how far it is'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -l json -d 'Print as JSON what was saved; needs -o'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from tag" -l store -d 'The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]' -r -F
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from tag" -l durability -d 'Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted' -r -f -a "full\t''
none\t''"
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from tag" -l json -d 'Print JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "build" -d 'Make an image from a Dockerfile'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "history" -d 'Show how an image was made'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "import" -d 'Make an image of one layer from a tar of a file system'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Show all that is known of images, as JSON'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "load" -d 'Load the images of an archive into the store'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List the images of the store'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove images without a name, steps of builds, and what nothing refers to'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "push" -d 'Push an image of the store to a registry'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove names, and images with their last name'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "save" -d 'Save images to an archive'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Give an image another name'
complete -c stave -n "__fish_stave_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "run" -d 'Run a program in a new container of an image'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "create" -d 'Make a container that `start` runs'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "start" -d 'Run the program of containers again'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "exec" -d 'Run another program in a container that runs'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "ps" -d 'List containers'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "logs" -d 'Print what the program of a container in the background has written'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "wait" -d 'Wait until containers end, and print their exit statuses'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "stop" -d 'Ask containers to end, and after a while kill them'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "kill" -d 'Send containers a signal'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "rm" -d 'Remove containers with all that was written in them'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "build" -d 'Make an image from a Dockerfile'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "commit" -d 'Make an image of what was written in a container'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "volume" -d 'Directories that outlive containers'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "attend" -d 'Wait for a container in the background'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "load" -d 'Load the images of an archive into the store'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "save" -d 'Save images to an archive'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "import" -d 'Make an image of one layer from a tar of a file system'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "export" -d 'Write the file system of an image as one tar'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "push" -d 'Push an image of the store to a registry'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "search" -d 'Search a registry for images'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "login" -d 'Log in to a registry'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "logout" -d 'Forget the credentials for a registry'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "images" -d 'List the images of the store'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "history" -d 'Show how an image was made'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "inspect" -d 'Show all that is known of images, as JSON'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "tag" -d 'Give an image another name'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "rmi" -d 'Remove names, and images with their last name'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "bundle" -d 'Make an OCI bundle of an image: config.json and rootfs'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "unbundle" -d 'Remove a bundle that `stave bundle` has made'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "unpack" -d 'Unpack an image into an OCI bundle: config.json and rootfs'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "diff" -d 'Show how the files of two images differ, or what was written in a bundle'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "verify" -d 'Read images again and compare everything with its digest'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "df" -d 'Show what takes room in the store'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "prune" -d 'Remove images without a name, steps of builds, and what nothing refers to'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "fsck" -d 'Read the whole store and check it'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "info" -d 'Tell of the store and of the machine'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "version" -d 'Tell the versions of stave and of its runtime'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "container" -d 'The commands of containers by their longer names: `container ls` is `ps`'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "image" -d 'The commands of images by their longer names: `image ls` is `images`'
complete -c stave -n "__fish_stave_using_subcommand help; and not __fish_seen_subcommand_from run create start exec ps logs wait stop kill rm build commit volume attend load save import export pull push search login logout images history inspect tag rmi bundle unbundle unpack diff verify df prune fsck info version container image help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stave -n "__fish_stave_using_subcommand help; and __fish_seen_subcommand_from volume" -f -a "create" -d 'Make a volume'
complete -c stave -n "__fish_stave_using_subcommand help; and __fish_seen_subcommand_from volume" -f -a "ls" -d 'List volumes'
complete -c stave -n "__fish_stave_using_subcommand help; and __fish_seen_subcommand_from volume" -f -a "inspect" -d 'Show all that is known of volumes, as JSON'
complete -c stave -n "__fish_stave_using_subcommand help; and __fish_seen_subcommand_from volume" -f -a "rm" -d 'Remove volumes that no container has'
complete -c stave -n "__fish_stave_using_subcommand help; and __fish_seen_subcommand_from volume" -f -a "prune" -d 'Remove volumes without a name that no container has'
