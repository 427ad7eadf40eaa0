/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hvis: what this guest has of Hyper-V, for its administrator.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/hvis/bus.h"
#include "tools/hvis/kvp.h"
#include "tools/hvis/report.h"

enum status {
	DONE = 0,
	FAILED = 1,
	USAGE = 2,
	NO_VMBUS = 3,
};

struct command {
	const char *name, *arguments, *summary, *help;
	enum status (*run)(const struct command *command, int argc, char **argv);
	/* Of those that report what the bus has: */
	bool (*print)(const struct hvis_bus *bus);
	json_t *(*json)(const struct hvis_bus *bus);
	bool versions; /* it shows them */
};

static enum status run_report(const struct command *command, int argc, char **argv);
static enum status run_kvp(const struct command *command, int argc, char **argv);

static const struct command commands[] = {
	{
		.name = "status",
		.arguments = "[--json]",
		.summary = "show the VMBus and its devices, whose drivers they have, and versions",
		.help = "  --json    as an object for programs\n\nRoot sees more: negotiated versions are in the kernel's log.\n",
		.run = run_report,
		.print = hvis_status_print,
		.json = hvis_status_json,
		.versions = true,
	},
	{
		.name = "devices",
		.arguments = "[--json]",
		.summary = "list the devices with their ids, rings and channels, as lsvmbus -vv",
		.help = "  --json    as an array for programs\n",
		.run = run_report,
		.print = hvis_devices_print,
		.json = hvis_devices_json,
	},
	{
		.name = "kvp",
		.arguments = "[list | get KEY | set KEY VALUE | delete KEY] [--pool POOL] [--json]",
		.summary = "show the pairs that host and guest exchange, and change the guest's own",
		.help = "  --pool POOL    external: what the host gives; guest: what this guest gives (what set and\n"
			"                 delete change unless told otherwise); auto-external: facts about the host\n"
			"  --json         for programs\n",
		.run = run_kvp,
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

static enum status print_overview(void)
{
	printf("hvis " HVIS_VERSION ": Hyper-V integration services, seen from the guest\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  hvis %s %s\n        %s\n", commands[i].name, commands[i].arguments,
		       commands[i].summary);
	printf("\nOptions of a command: hvis help COMMAND, or man hvis. Version: hvis --version.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage, 3 there is no VMBus here.\n");
	return DONE;
}

static enum status print_help(const struct command *command)
{
	printf("usage: hvis %s %s\n\n%s.\n\n%s", command->name, command->arguments,
	       command->summary, command->help);
	return DONE;
}

/* `what`: the argument that is wrong, or NULL. */
static enum status usage_error(const struct command *command, const char *problem, const char *what)
{
	fprintf(stderr, "hvis%s%s: %s", command ? " " : "", command ? command->name : "", problem);
	if (what)
		fprintf(stderr, " '%.64s'", what);
	fprintf(stderr, " (see `hvis %s%s`)\n", command ? "help " : "--help",
		command ? command->name : "");
	return USAGE;
}

/* One clear line; what it means is the exit status. */
static enum status no_bus(int err)
{
	if (err != -ENODEV)
		fprintf(stderr, "hvis: cannot read the VMBus in /sys: %s\n", strerror(-err));
	else if (hvis_bus_lacks_driver())
		fputs("hvis: this machine has a VMBus, but its driver is missing: modprobe hv_vmbus\n",
		      stderr);
	else
		fputs("hvis: no VMBus here: this is no guest of Hyper-V\n", stderr);
	return err == -ENODEV ? NO_VMBUS : FAILED;
}

static bool print_json(json_t *json)
{
	if (!json)
		return false;
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
	return true;
}

static enum status report(const struct command *command, bool json)
{
	enum status status = DONE;
	struct hvis_bus bus;
	int err;

	err = hvis_root_open();
	if (err) {
		fprintf(stderr, "hvis: cannot open HVIS_ROOT: %s\n", strerror(-err));
		return FAILED;
	}
	err = hvis_bus_read(&bus);
	if (!err && command->versions)
		hvis_versions_read(&bus);
	if (err) {
		status = no_bus(err);
	} else if (!(json ? print_json(command->json(&bus)) : command->print(&bus))) {
		fputs("hvis: out of memory\n", stderr);
		status = FAILED;
	}
	hvis_bus_fini(&bus);
	return status;
}

static enum status run_report(const struct command *command, int argc, char **argv)
{
	bool json = false;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return print_help(command);
		else if (argv[i][0] == '-')
			return usage_error(command, "unknown option", argv[i]);
		else
			return usage_error(command, "one argument too many:", argv[i]);
	}
	return report(command, json);
}

static enum status run_kvp(const struct command *command, int argc, char **argv)
{
	struct hvis_kvp_request request = { 0 };
	const char **words[] = { &request.order, &request.key, &request.value };
	const char *problem;
	size_t count = 0;
	bool options = true;

	for (int i = 0; i < argc; i++) {
		bool option = options && argv[i][0] == '-' && argv[i][1] == '-';

		if (option && strcmp(argv[i], "--json") == 0) {
			request.json = true;
		} else if (option && strcmp(argv[i], "--help") == 0) {
			return print_help(command);
		} else if (option && strcmp(argv[i], "--pool") == 0) {
			if (i + 1 == argc)
				return usage_error(command, "--pool needs a name", NULL);
			request.pool = argv[++i];
		} else if (option && argv[i][2] == '\0') {
			options = false;
		} else if (option) {
			return usage_error(command, "unknown option", argv[i]);
		} else if (count == sizeof(words) / sizeof(words[0])) {
			return usage_error(command, "one argument too many:", argv[i]);
		} else {
			*words[count++] = argv[i];
		}
	}
	problem = hvis_kvp_check(&request);
	return problem ? usage_error(command, problem, NULL) : (enum status)hvis_kvp_run(&request);
}

static enum status dispatch(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : NULL;
	const struct command *command;
	bool help;

	if (!first)
		return usage_error(NULL, "a command is missing", NULL);
	if (strcmp(first, "--version") == 0) {
		puts("hvis " HVIS_VERSION);
		return DONE;
	}
	help = strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 ||
	       strcmp(first, "help") == 0;
	if (help && argc == 2)
		return print_overview();
	command = find_command(help ? argv[2] : first);
	if (!command)
		return usage_error(NULL, "there is no command", help ? argv[2] : first);
	return help ? print_help(command) : command->run(command, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
	enum status status = dispatch(argc, argv);

	/* Output that nobody got is a failure, whatever it said. */
	if ((fflush(stdout) || ferror(stdout)) && status == DONE) {
		fprintf(stderr, "hvis: cannot write the output: %s\n", strerror(errno));
		status = FAILED;
	}
	return status;
}
