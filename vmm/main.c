/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hvhost: a Hyper-V-compatible host on Linux/KVM.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/commands.h"
#include "vmm/log.h"
#include "vmm/nested/nested.h"
#include "vmm/run.h"

#define ERROR_BYTES 512

struct command {
	const char *name;
	/* `run` has options of its own; the others have those that `takes` says, and `query`. */
	enum vmm_exit (*query)(const struct vmm_query *query);
	unsigned takes; /* VMM_TAKES_* */
	const char *arguments;
	const char *summary;
	const char *help;
};

static const struct command commands[] = {
	{
		.name = "run",
		.arguments = "--name NAME --kernel FILE [OPTION]...",
		.summary = "run a virtual machine",
		.help = "  --name NAME            what the other commands call it: A-Z a-z 0-9 . _ -\n"
			"  --kernel FILE          Linux kernel (bzImage), or ELF file with a PVH entry point\n"
			"  --initrd FILE          its initial RAM disk\n"
			"  --append TEXT          its command line\n"
			"  --cpus N               processors (1)\n"
			"  --memory SIZE          as 512M or 2G (512M)\n"
			"  --mmio-gap SIZE        address space below 4 GiB without memory, 128M to 3584M (1G)\n"
			"  --serial WHERE         stdio (default), file:PATH or none\n"
			"  --accel HOW            kvm, nested (in QEMU's emulation), or auto (default): kvm if usable\n"
			"  --vmbus-version MAX    newest VMBus version to offer, 2.4 to 5.3 (5.3)\n"
			"  --nic KIND[,OPTION]... user, tap=INTERFACE, null, loop or echo; may be repeated: see hvhost-run(1)\n"
			"  --disk FILE[,OPTION]...\n"
			"                         image or block device, memory:SIZE, or a DVD drive: FILE,dvd or empty,dvd;\n"
			"                         may be repeated: see hvhost-run(1)\n"
			"  --no-service NAME      leave out heartbeat, shutdown, timesync, kvp, fcopy or vss; may be repeated\n"
			"  --no-enlightenment NAME\n"
			"                         do not offer that part of the hypervisor's interface; may be repeated:\n"
			"                         reference-counter reference-tsc stimer stimer-direct vp-index vp-runtime\n"
			"                         apic-msrs frequencies tsc-invariant tlb-flush ipi xmm-input\n"
			"                         relaxed-timing reset crash\n"
			"  --inject RULE[,RULE]...\n"
			"                         faults on purpose: MESSAGE:FAULT[:N[+]], as open-result:late:2; the\n"
			"                         faults are short long bad-id wrong-state duplicate late never\n"
			"  --trace FILE           write what guest and host say to each other, a JSON object a line\n"
			"  --timeout SECONDS      stop it after that time, with exit status 124\n"
			"  --daemonize            return when it runs\n"
			"\n"
			"On a terminal Ctrl-] asks the guest to shut down, twice stops it.\n"
			"Exit status: 0 powered off, 1 failed or stopped, 2 wrong usage, 3 the guest crashed, 124 time limit.\n",
	},
	{
		.name = "list",
		.query = vmm_command_list,
		.takes = VMM_TAKES_JSON,
		.arguments = "[--json]",
		.summary = "show the virtual machines of this user",
		.help = "  --json    as an array for programs\n",
	},
	{
		.name = "status",
		.query = vmm_command_status,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON,
		.arguments = "NAME [--json]",
		.summary = "show a VM, its VMBus channels and its integration services",
		.help = "  --json    as an object for programs\n",
	},
	{
		.name = "heartbeat",
		.query = vmm_command_heartbeat,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON,
		.arguments = "NAME [--json]",
		.summary = "tell whether the guest answers; exit status 1 if it does not",
		.help = "  --json    as an object for programs\n",
	},
	{
		.name = "timesync",
		.query = vmm_command_timesync,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_OFFSET,
		.arguments = "NAME [--offset SECONDS] [--json]",
		.summary = "have the guest set its clock to the host's",
		.help = "  --offset SECONDS    and so much ahead of it; may be negative or a fraction (0)\n"
			"  --json              as an object for programs\n",
	},
	{
		.name = "service",
		.query = vmm_command_service,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_SWITCH,
		.arguments = "NAME [on|off SERVICE] [--json]",
		.summary = "show the integration services, or switch one on or off",
		.help = "  on SERVICE     offer heartbeat, shutdown, timesync, kvp, fcopy or vss to the guest\n"
			"  off SERVICE    take it away, and wait until it is gone\n"
			"  --json         as an object for programs\n",
	},
	{
		.name = "kvp",
		.query = vmm_command_kvp,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_KVP,
		.arguments =
			"NAME [list | get KEY | set KEY VALUE | delete KEY] [--pool POOL] [--json]",
		.summary = "show the key-value pairs that host and guest exchange, or change one",
		.help = "  list             all pairs\n"
			"  get KEY          its value\n"
			"  set KEY VALUE    give the guest a pair, or another value\n"
			"  delete KEY       take it away\n"
			"  --pool POOL      external: what the host gives (set and delete, if not told otherwise); guest: what\n"
			"                   programs in the guest give; auto: facts about the guest; auto-external: facts about\n"
			"                   the host (list and get: all of them, if not told otherwise)\n"
			"  --json           as an object for programs\n",
	},
	{
		.name = "ip",
		.query = vmm_command_ip,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_IP,
		.arguments = "NAME [get | set] [NUMBER] [OPTION]...",
		.summary = "show or change the guest's IP settings of a network adapter",
		.help = "  get [NUMBER]               of adapter NUMBER (0)\n"
			"  set [NUMBER]               to all that is given here:\n"
			"  --dhcp                     IPv4 addresses come from a server\n"
			"  --address ADDRESS/PREFIX   as 10.0.0.2/24 or 2001:db8::2/64; may be repeated, as those that follow\n"
			"  --gateway ADDRESS          of the default route\n"
			"  --dns ADDRESS              of a name server\n"
			"  --json                     as an object for programs\n",
	},
	{
		.name = "copy",
		.query = vmm_command_copy,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_COPY,
		.arguments = "NAME SOURCE TARGET [--create-dirs] [--overwrite] [--json]",
		.summary = "copy a file into the guest",
		.help = "  SOURCE           a file here\n"
			"  TARGET           an absolute path in the guest; one that ends with / is a folder\n"
			"  --create-dirs    make the folders that are missing\n"
			"  --overwrite      replace a file that is there\n"
			"  --json           as an object for programs\n",
	},
	{
		.name = "backup",
		.query = vmm_command_backup,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_BACKUP,
		.arguments = "NAME FOLDER [--freeze-limit SECONDS] [--timeout SECONDS] [--json]",
		.summary = "copy the disks while the guest's file systems are frozen",
		.help = "  FOLDER                    what the backup is to be; it must not be there yet\n"
			"  --freeze-limit SECONDS    give up rather than keep the guest frozen for longer (60)\n"
			"  --timeout SECONDS         wait so long for the guest to freeze (960)\n"
			"  --json                    as an object for programs\n",
	},
	{
		.name = "nic",
		.query = vmm_command_nic,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_NIC,
		.arguments =
			"NAME [add KIND|remove NUMBER|connect|disconnect|changed [NUMBER]] [--json]",
		.summary = "show, add or remove network adapters, or pull and plug the cable of one",
		.help = "  add KIND      one more, as with --nic of run\n"
			"  remove NUMBER take it away, and wait until it is gone\n"
			"  connect       the link of adapter NUMBER (0) is up\n"
			"  disconnect    it is down\n"
			"  changed       it leads to another network: the guest asks for its addresses anew\n"
			"  --json        as an object for programs\n",
	},
	{
		.name = "disk",
		.query = vmm_command_disk,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_DISK,
		.arguments =
			"NAME [add DISK|remove LUN|resize LUN [SIZE]|eject LUN|insert LUN FILE] [--json]",
		.summary = "show the disks, add, remove or resize one, or change a DVD",
		.help = "  add DISK             FILE[,OPTION]... as with --disk of hvhost run\n"
			"  remove LUN           take it away from the guest, and wait until nothing uses it\n"
			"  resize LUN [SIZE]    make its file that large; without SIZE: tell what it has become\n"
			"  eject LUN            take out what is in a DVD drive\n"
			"  insert LUN FILE      put a file into an empty one\n"
			"  --json               as an object for programs\n",
	},
	{
		.name = "nmi",
		.query = vmm_command_nmi,
		.takes = VMM_TAKES_NAME,
		.arguments = "NAME",
		.summary = "send every processor of the guest a non-maskable interrupt",
		.help = "",
	},
	{
		.name = "pause",
		.query = vmm_command_pause,
		.takes = VMM_TAKES_NAME,
		.arguments = "NAME",
		.summary = "stop the guest's processors and clocks",
		.help = "",
	},
	{
		.name = "resume",
		.query = vmm_command_resume,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON,
		.arguments = "NAME [--json]",
		.summary = "let a paused guest go on, with its clock set",
		.help = "  --json    as an object for programs\n",
	},
	{
		.name = "shutdown",
		.query = vmm_command_shutdown,
		.takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_SHUTDOWN,
		.arguments = "NAME [OPTION]...",
		.summary = "shut the guest down and wait until it is gone",
		.help = "  --force              stop the VM without asking the guest\n"
			"  --reboot             have the guest restart; waits only for its consent\n"
			"  --hibernate          have the guest hibernate\n"
			"  --power-button       press the machine's power button instead of asking the service\n"
			"  --timeout SECONDS    wait so long (120)\n"
			"  --json               as an object for programs\n",
	},
	{
		.name = "trace",
		.query = vmm_command_trace,
		.takes = VMM_TAKES_TRACE,
		.arguments = "normalise FILE",
		.summary = "print the trace of a run so that it can be compared with another's",
		.help = "FILE: from `hvhost run --trace`; - is the standard input.\n",
	},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void print_overview(void)
{
	printf("hvhost " VMM_VERSION ": a Hyper-V-compatible host on Linux/KVM\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  hvhost %s %s\n        %s\n", commands[i].name, commands[i].arguments,
		       commands[i].summary);
	printf("\nOptions of a command: hvhost help COMMAND, or man hvhost-COMMAND. Version: hvhost --version.\n");
}

static void print_help(const struct command *command)
{
	printf("usage: hvhost %s %s\n\n%s.\n\n%s", command->name, command->arguments,
	       command->summary, command->help);
}

static enum vmm_exit usage_error(const char *command, const char *text)
{
	fprintf(stderr, "hvhost%s%s: %s (see `hvhost %s%s`)\n", command ? " " : "",
		command ? command : "", text, command ? "help " : "--help", command ? command : "");
	return VMM_EXIT_USAGE;
}

static enum vmm_exit unknown_command(const char *name)
{
	char text[ERROR_BYTES];

	snprintf(text, sizeof(text), "there is no command '%.64s'", name);
	return usage_error(NULL, text);
}

static enum vmm_exit do_command(const struct command *command, int argc, char *const *argv)
{
	char error[ERROR_BYTES];
	struct vmm_config config;
	struct vmm_query query;
	enum vmm_cmdline_result result;

	if (command->query)
		result =
			vmm_cmdline_query(argc, argv, command->takes, &query, error, sizeof(error));
	else
		result = vmm_cmdline_run(argc, argv, &config, error, sizeof(error));
	if (result == VMM_CMDLINE_ERROR)
		return usage_error(command->name, error);
	if (result == VMM_CMDLINE_HELP) {
		print_help(command);
		return VMM_EXIT_DONE;
	}
	return command->query ? command->query(&query) : vmm_run(&config);
}

static enum vmm_exit do_help(int argc, char *const *argv)
{
	const struct command *command;

	if (argc == 0) {
		print_overview();
		return VMM_EXIT_DONE;
	}
	command = find_command(argv[0]);
	if (!command)
		return unknown_command(argv[0]);
	print_help(command);
	return VMM_EXIT_DONE;
}

static enum vmm_exit dispatch(int argc, char *const *argv)
{
	const struct command *command;
	const char *first = argc > 1 ? argv[1] : NULL;

	if (!first)
		return usage_error(NULL, "a command is missing");
	if (strcmp(first, "--version") == 0) {
		puts("hvhost " VMM_VERSION);
		return VMM_EXIT_DONE;
	}
	if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0)
		return do_help(argc - 2, argv + 2);
	command = find_command(first);
	if (!command)
		return unknown_command(first);
	return do_command(command, argc - 2, argv + 2);
}

/* A descriptor that we open must not become stdin, stdout or stderr because the caller closed those. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	enum vmm_exit status;

	if (vmm_nested_is_inner(argc, argv))
		vmm_nested_inner();
	fill_standard_streams();
	vmm_log_init(NULL);
	status = dispatch(argc, argv);
	/* Output that nobody got is a failure, whatever it said. */
	if (fflush(stdout) && status == VMM_EXIT_DONE) {
		vmm_log(HVH_LOG_ERROR, "cannot write the output: %s", strerror(errno));
		status = VMM_EXIT_FAILED;
	}
	return status;
}
