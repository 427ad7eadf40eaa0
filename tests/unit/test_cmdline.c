/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/cmdline.h"

#include "hvp_vmbus.h"
#include "tap.h"

#define ARGS_MAX 32

static char error[512];

/* The words of `line`, split at blanks; "''" is an empty one. */
static int split(const char *line, char *buffer, char **argv)
{
	int argc = 0;

	strcpy(buffer, line);
	for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return argc;
}

static enum vmm_cmdline_result run(const char *line, struct vmm_config *config)
{
	static char buffer[2048];
	char *argv[ARGS_MAX];
	int argc = split(line, buffer, argv);

	error[0] = '\0';
	return vmm_cmdline_run(argc, argv, config, error, sizeof(error));
}

static enum vmm_cmdline_result query(const char *line, unsigned takes, struct vmm_query *q)
{
	static char buffer[2048];
	char *argv[ARGS_MAX];
	int argc = split(line, buffer, argv);

	error[0] = '\0';
	return vmm_cmdline_query(argc, argv, takes, q, error, sizeof(error));
}

TAP_TEST(run_has_defaults)
{
	struct vmm_config c;

	TAP_EQ(run("--name a --kernel k", &c), VMM_CMDLINE_OK);
	TAP_STR_EQ(c.name, "a");
	TAP_STR_EQ(c.kernel, "k");
	TAP_EQ(c.cpus, 1);
	TAP_EQ(c.memory_bytes, 512 << 20);
	TAP_CHECK(!c.initrd && !c.append && !c.serial_path);
	TAP_EQ(c.serial, VMM_SERIAL_STDIO);
	TAP_EQ(c.accel, VMM_ACCEL_AUTO);
	TAP_EQ(c.vmbus_version_max, HVP_VERSION_5_3);
	TAP_EQ(c.services_off, 0);
	TAP_EQ(c.enlightenments_off, 0);
	TAP_CHECK(!c.inject);
	TAP_EQ(c.timeout_seconds, 0);
	TAP_CHECK(!c.daemonize);
}

TAP_TEST(run_takes_every_option_in_both_spellings)
{
	struct vmm_config c;

	TAP_EQ(run("--name a --kernel k --initrd i --append root=/dev/sda --cpus 4 --memory 2G --mmio-gap 3584M --serial file:/tmp/x "
		   "--accel kvm --vmbus-version 4.1 --no-service heartbeat --no-service=shutdown --no-enlightenment crash "
		   "--no-enlightenment=vp-index --inject open-result:late:2 --timeout 60 --daemonize",
		   &c),
	       VMM_CMDLINE_OK);
	TAP_STR_EQ(c.initrd, "i");
	TAP_STR_EQ(c.append, "root=/dev/sda");
	TAP_EQ(c.cpus, 4);
	TAP_EQ(c.memory_bytes, 2ll << 30);
	TAP_EQ(c.mmio_gap_bytes, VMM_MMIO_GAP_MAX);
	TAP_EQ(c.serial, VMM_SERIAL_FILE);
	TAP_STR_EQ(c.serial_path, "/tmp/x");
	TAP_EQ(c.accel, VMM_ACCEL_KVM);
	TAP_EQ(c.vmbus_version_max, HVP_VERSION_4_1);
	TAP_EQ(c.services_off, VMM_SERVICE_heartbeat | VMM_SERVICE_shutdown);
	TAP_EQ(c.enlightenments_off, VMM_ENLIGHTENMENT_CRASH | VMM_ENLIGHTENMENT_VP_INDEX);
	TAP_STR_EQ(c.inject, "open-result:late:2");
	TAP_EQ(c.timeout_seconds, 60);
	TAP_CHECK(c.daemonize);

	TAP_EQ(run("--name=b --kernel=k=1 --memory=1048576K --serial=none --append= --cpus 1 --cpus 2",
		   &c),
	       VMM_CMDLINE_OK);
	TAP_STR_EQ(c.kernel, "k=1");
	TAP_STR_EQ(c.append, "");
	TAP_EQ(c.memory_bytes, 1 << 30);
	TAP_EQ(c.serial, VMM_SERIAL_NONE);
	TAP_EQ(c.cpus, 2);
}

TAP_TEST(daemonized_vm_has_no_stdio)
{
	struct vmm_config c;

	TAP_EQ(run("--name a --kernel k --daemonize", &c), VMM_CMDLINE_OK);
	TAP_EQ(c.serial, VMM_SERIAL_NONE);
	TAP_EQ(run("--name a --kernel k --serial stdio --daemonize", &c), VMM_CMDLINE_ERROR);
	TAP_CHECK(strstr(error, "--daemonize"));
}

TAP_TEST(option_value_may_begin_with_a_minus)
{
	struct vmm_config c;

	TAP_EQ(run("--name a --kernel k --append --help", &c), VMM_CMDLINE_OK);
	TAP_STR_EQ(c.append, "--help");
}

TAP_TEST(help_is_asked_for)
{
	struct vmm_config c;
	struct vmm_query q;

	TAP_EQ(run("--help", &c), VMM_CMDLINE_HELP);
	TAP_EQ(run("--name a -h", &c), VMM_CMDLINE_HELP);
	TAP_EQ(query("--help", VMM_TAKES_NAME, &q), VMM_CMDLINE_HELP);
}

TAP_TEST(error_names_the_option_and_what_is_right)
{
	static const struct {
		const char *line, *option, *right;
	} cases[] = {
		{ "", "--name", "missing" },
		{ "--name a", "--kernel", "missing" },
		{ "--name", "--name", "needs a value" },
		{ "--name a/b --kernel k", "--name 'a/b'", "letter" },
		{ "--name .a --kernel k", "--name '.a'", "1 to 64" },
		{ "--name -a --kernel k", "--name '-a'", "1 to 64" },
		{ "--name '' --kernel k", "--name ''", "1 to 64" },
		{ "--kernel ''", "--kernel ''", "must name a file" },
		{ "--initrd=", "--initrd ''", "must name a file" },
		{ "--cpus 0", "--cpus '0'", "1 to 64" },
		{ "--cpus 65", "--cpus '65'", "1 to 64" },
		{ "--cpus 4x", "--cpus '4x'", "1 to 64" },
		{ "--cpus -1", "--cpus '-1'", "1 to 64" },
		{ "--cpus 18446744073709551617", "--cpus", "1 to 64" },
		{ "--memory 512", "--memory '512'", "512M" },
		{ "--memory M", "--memory 'M'", "512M" },
		{ "--memory 1.5G", "--memory '1.5G'", "512M" },
		{ "--memory 512MB", "--memory '512MB'", "512M" },
		{ "--memory ''", "--memory ''", "512M" },
		{ "--memory 63M", "--memory '63M'", "at least 64M" },
		{ "--memory 1025G", "--memory '1025G'", "at most 1024G" },
		{ "--memory 99999999999999999999G", "--memory", "512M" },
		{ "--memory 17179869185G", "--memory", "512M" },
		{ "--memory 65537K", "--memory '65537K'", "multiple of 1M" },
		{ "--mmio-gap 1", "--mmio-gap '1'", "as 512M or 2G" },
		{ "--mmio-gap 127M", "--mmio-gap '127M'", "from 128M to 3584M" },
		{ "--mmio-gap 3585M", "--mmio-gap '3585M'", "from 128M to 3584M" },
		{ "--mmio-gap 131073K", "--mmio-gap '131073K'", "multiple of 1M" },
		{ "--serial file:", "--serial 'file:'", "file:PATH" },
		{ "--serial tty", "--serial 'tty'", "stdio" },
		{ "--accel tcg", "--accel 'tcg'", "auto, kvm or nested" },
		{ "--vmbus-version 6.0", "--vmbus-version '6.0'", "5.3" },
		{ "--vmbus-version 5", "--vmbus-version '5'", "5.3" },
		{ "--no-service rdv", "--no-service 'rdv'",
		  "heartbeat shutdown timesync kvp fcopy vss" },
		{ "--inject open-result", "--inject 'open-result'", "MESSAGE:FAULT" },
		{ "--inject open-result:slow", "--inject 'open-result:slow'", "short long bad-id" },
		{ "--inject ''", "--inject ''", "MESSAGE:FAULT" },
		{ "--timeout 0", "--timeout '0'", "from 1" },
		{ "--timeout 1h", "--timeout '1h'", "seconds" },
		{ "--daemonize=yes", "--daemonize", "takes no value" },
		{ "--nam a", "--nam", "unknown option" },
		{ "--names a", "--names", "unknown option" },
		{ "-n a", "-n", "unknown option" },
		{ "-", "-", "unknown option" },
		{ "vmlinuz", "vmlinuz", "too many" },
		{ "-- --name", "--name", "too many" },
	};
	struct vmm_config c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TAP_EQ(run(cases[i].line, &c), VMM_CMDLINE_ERROR);
		if (!TAP_CHECK(strstr(error, cases[i].option) && strstr(error, cases[i].right)))
			printf("# %s: %s\n", cases[i].line, error);
		TAP_CHECK(!strchr(error, '\n'));
	}
}

TAP_TEST(error_stays_one_printable_line)
{
	char *argv[] = { "--cpus", "1\n2\033[2J", NULL }, huge[10000],
	     *long_argv[] = { huge, NULL };
	struct vmm_config c;

	TAP_EQ(vmm_cmdline_run(2, argv, &c, error, sizeof(error)), VMM_CMDLINE_ERROR);
	TAP_CHECK(!strchr(error, '\n') && !strchr(error, '\033'));
	memset(huge, '-', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	TAP_EQ(vmm_cmdline_run(1, long_argv, &c, error, sizeof(error)), VMM_CMDLINE_ERROR);
	TAP_CHECK(strlen(error) < 200);
}

TAP_TEST(an_offset_is_a_plain_number)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_OFFSET;
	struct vmm_query q;

	TAP_EQ(query("vm", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.offset_seconds == 0);
	TAP_EQ(query("vm --offset -0.25", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.offset_seconds == -0.25);
	TAP_EQ(query("vm --offset=+3600", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.offset_seconds == 3600);
	TAP_EQ(query("vm --offset -1000000000.0000000", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.offset_seconds == -1e9);
	TAP_EQ(query("vm --offset 1000000000.1", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --offset nan", takes, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(a_switch_is_on_or_off_and_a_service_or_nothing)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_SWITCH;
	struct vmm_query q;

	TAP_EQ(query("vm", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(!q.service);
	TAP_EQ(query("vm off heartbeat --json", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.name, "vm");
	TAP_STR_EQ(q.service, "heartbeat");
	TAP_CHECK(!q.on && q.json);
	TAP_EQ(query("vm on timesync", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.on);
	TAP_EQ(query("vm on", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm heartbeat off", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm off rdv", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm off heartbeat shutdown", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm off", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(pairs)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_KVP;
	static const char *const wrong[] = {
		"vm show",	"vm get",      "vm set",     "vm set a",
		"vm delete",	"vm list a",   "vm get a b", "vm delete a b",
		"vm set a b c", "vm --pool 1", "vm --pool",
	};
	struct vmm_query q;

	TAP_EQ(query("vm", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.kvp_order, "list");
	TAP_CHECK(!q.pool && !q.key && !q.value);
	TAP_EQ(query("vm list --pool auto-external", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.pool, "auto-external");
	TAP_EQ(query("vm set a b --json", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.kvp_order, "set");
	TAP_STR_EQ(q.key, "a");
	TAP_STR_EQ(q.value, "b");
	TAP_EQ(query("vm delete -- --pool", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.key, "--pool");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_EQ(query(wrong[i], takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --pool auto", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(copies)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_COPY;
	static const char *const wrong[] = { "vm", "vm a", "vm a b", "vm a /b c",
					     "vm a /b --pool 1" };
	struct vmm_query q;

	TAP_EQ(query("vm a /b", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.source, "a");
	TAP_STR_EQ(q.target, "/b");
	TAP_CHECK(!q.overwrite && !q.create_dirs && !q.json);
	TAP_EQ(query("vm --overwrite --create-dirs a /b/ --json", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.overwrite && q.create_dirs && q.json);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_EQ(query(wrong[i], takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --overwrite", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(backups)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_BACKUP;
	static const char *const wrong[] = { "vm", "vm a b", "vm a --freeze-limit 3601",
					     "vm a --freeze-limit 0", "vm a --overwrite" };
	struct vmm_query q;

	TAP_EQ(query("vm a", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.folder, "a");
	TAP_EQ(q.freeze_seconds, 0);
	TAP_EQ(query("vm a --freeze-limit 3600 --timeout 5 --json", takes, &q), VMM_CMDLINE_OK);
	TAP_EQ(q.freeze_seconds, 3600);
	TAP_EQ(q.timeout_seconds, 5);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_EQ(query(wrong[i], takes, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(ip_settings)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_IP;
	static const char *const wrong[] = {
		"vm show",
		"vm get x",
		"vm get 0 1",
		"vm set",
		"vm --dhcp",
		"vm get --dns 1.1.1.1",
		"vm set --gateway 10.0.0.1",
	};
	struct vmm_query q;

	TAP_EQ(query("vm", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(!q.ip_set && !q.nic);
	TAP_EQ(query("vm get 2", takes, &q), VMM_CMDLINE_OK);
	TAP_EQ(q.nic, 2);
	TAP_EQ(query("vm set --dhcp", takes, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.ip_set && q.dhcp);
	TAP_EQ(query("vm set 1 --address 10.0.0.2/24 --address ::2/64 --dns 9.9.9.9", takes, &q),
	       VMM_CMDLINE_OK);
	TAP_STR_EQ(q.addresses[0], "10.0.0.2/24");
	TAP_STR_EQ(q.addresses[1], "::2/64");
	TAP_CHECK(!q.addresses[2] && !q.gateways[0]);
	TAP_STR_EQ(q.dns[0], "9.9.9.9");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_EQ(query(wrong[i], takes, &q), VMM_CMDLINE_ERROR);
}

TAP_TEST(query_takes_what_its_command_has)
{
	const unsigned all = VMM_TAKES_NAME | VMM_TAKES_JSON | VMM_TAKES_SHUTDOWN;
	struct vmm_query q;

	TAP_EQ(query("vm", VMM_TAKES_NAME, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.name, "vm");
	TAP_CHECK(!q.json && !q.force && !q.reboot && !q.hibernate && !q.timeout_seconds);
	TAP_EQ(query("--json --timeout 5 -- vm", all, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.json);
	TAP_EQ(q.timeout_seconds, 5);
	TAP_EQ(query("vm --force", all, &q), VMM_CMDLINE_OK);
	TAP_CHECK(q.force);
	TAP_EQ(query("--json", VMM_TAKES_JSON, &q), VMM_CMDLINE_OK);
	TAP_CHECK(!q.name);

	TAP_EQ(query("", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
	TAP_CHECK(strstr(error, "hvhost list"));
	TAP_EQ(query("a b", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("../a", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --force", VMM_TAKES_NAME | VMM_TAKES_JSON, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --json", VMM_TAKES_NAME, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm", VMM_TAKES_JSON, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm --force --reboot", all, &q), VMM_CMDLINE_ERROR);
	TAP_CHECK(strstr(error, "only one"));
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

TAP_TEST(config_survives_the_way_to_arguments_and_back)
{
	static const char *const lines[] = {
		"--name a --kernel k",
		"--name a --kernel -k --initrd=-i --append=--x --memory 65M --mmio-gap 128M --cpus 64 --serial none --accel nested",
		"--name a --kernel k --serial file:a=b:c --vmbus-version 2.4 --no-service shutdown --no-service timesync --timeout 1000000000",
		"--name a --kernel k --append= --daemonize --memory 1024G --accel kvm --no-service heartbeat",
		"--name a --kernel k --no-enlightenment stimer --no-enlightenment crash --trace=-t",
		"--name a --kernel k --inject offer-channel:short,gpadl-created:never:3+",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct vmm_config c, back;
		char **argv;
		int argc = 0;

		TAP_REQUIRE(run(lines[i], &c) == VMM_CMDLINE_OK);
		argv = vmm_config_to_argv(&c);
		TAP_REQUIRE(argv);
		while (argv[argc])
			argc++;
		TAP_EQ(vmm_cmdline_run(argc, argv, &back, error, sizeof(error)), VMM_CMDLINE_OK);
		TAP_CHECK(same_text(c.name, back.name) && same_text(c.kernel, back.kernel));
		TAP_EQ(c.mmio_gap_bytes, back.mmio_gap_bytes);
		TAP_CHECK(same_text(c.initrd, back.initrd) && same_text(c.append, back.append));
		TAP_CHECK(same_text(c.serial_path, back.serial_path));
		TAP_CHECK(same_text(c.inject, back.inject));
		TAP_CHECK(same_text(c.trace_path, back.trace_path));
		TAP_CHECK(c.cpus == back.cpus && c.memory_bytes == back.memory_bytes &&
			  c.serial == back.serial);
		TAP_CHECK(c.accel == back.accel && c.vmbus_version_max == back.vmbus_version_max);
		TAP_CHECK(c.services_off == back.services_off &&
			  c.timeout_seconds == back.timeout_seconds);
		TAP_CHECK(c.daemonize == back.daemonize);
		TAP_EQ(c.enlightenments_off, back.enlightenments_off);
		free(argv);
	}
}

TAP_TEST(adapters_are_described_by_kind_and_options)
{
	static const char *const wrong[] = {
		"",	  "tap",  "tap=",	   "tap=sixteen-letters-", "tap=a/b",
		"user=x", "none", "null,queues=0", "null,hostfwd=tcp:1:2", "tap=x,no-rsc=1"
	};
	struct vmm_nic_config nic;

	TAP_CHECK(!vmm_nic_config_parse("tap=hvt0,no-rsc,mac-spoofing,queues=4", &nic));
	TAP_EQ(nic.kind, VMM_NIC_TAP);
	TAP_STR_EQ(nic.interface, "hvt0");
	TAP_CHECK(nic.no_rsc);
	TAP_CHECK(nic.mac_spoofing);
	TAP_EQ(nic.queues, 4);
	TAP_CHECK(!vmm_nic_config_parse("tap=fifteen-letters", &nic));
	TAP_CHECK(!vmm_nic_config_parse("user,hostfwd=udp:1:2", &nic));
	TAP_CHECK(!nic.no_rsc);
	TAP_CHECK(!nic.mac_spoofing);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (!TAP_CHECK(vmm_nic_config_parse(wrong[i], &nic) != NULL))
			printf("# \"%s\"\n", wrong[i]);
}

TAP_TEST(adapters_come_and_go_by_command)
{
	const unsigned takes = VMM_TAKES_NAME | VMM_TAKES_NIC;
	struct vmm_query q;

	TAP_EQ(query("vm add echo,mac-change", takes, &q), VMM_CMDLINE_OK);
	TAP_STR_EQ(q.nic_kind, "echo,mac-change");
	TAP_EQ(query("vm remove 3", takes, &q), VMM_CMDLINE_OK);
	TAP_EQ(q.nic, 3);
	TAP_CHECK(!q.nic_kind);
	TAP_EQ(query("vm disconnect", takes, &q), VMM_CMDLINE_OK);
	TAP_EQ(q.nic, 0);
	TAP_EQ(query("vm remove", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm add", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm add nothing", takes, &q), VMM_CMDLINE_ERROR);
	TAP_EQ(query("vm plug 1", takes, &q), VMM_CMDLINE_ERROR);
}

TAP_MAIN()
