/* SPDX-License-Identifier: Apache-2.0 */
/* The jail: each thing that it denies is tried, in a child that enters it. */
#include "hypervisor/thin/jail.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit.h"

enum { DENIED = 128 + SIGSYS, SAID_MAX = 1024, KEPT = 20, OTHER = 30, NOBODY = 65534 };

typedef int trial_function(void);

static struct {
	const struct jail_options *options;
	enum jail_role role;
	bool no_thread; /* no filter: what the process itself can still do */
	char said[SAID_MAX];
} trial;

static _Noreturn void try_in_child(trial_function *what, int output)
{
	struct err *err = NULL;
	dup2(output, STDERR_FILENO);
	dup2(open("/dev/null", O_RDWR), KEPT);
	dup2(KEPT, OTHER);
	if (!jail_enter(trial.options, &err) || (!trial.no_thread && !jail_thread(trial.role, &err))) {
		fprintf(stderr, "%s\n", err_message(err));
		_exit(err_code(err) == ERR_UNSUPPORTED ? 77 : 99);
	}
	_exit(what());
}

/* What the child ends with; what it said is in trial.said. */
static int outcome(trial_function *what)
{
	int ends[2], status;
	size_t len = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		try_in_child(what, ends[1]);
	close(ends[1]);
	for (ssize_t got; (got = read(ends[0], trial.said + len, SAID_MAX - 1 - len)) > 0;)
		len += (size_t)got;
	trial.said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const int kept[] = {KEPT};
static const struct jail_options plain = {.keep = kept, .n_keep = 1};
static const struct jail_options as_nobody = {.uid = NOBODY, .gid = NOBODY, .keep = kept, .n_keep = 1};

static void use(const struct jail_options *options, enum jail_role role, bool no_thread)
{
	trial.options = options;
	trial.role = role;
	trial.no_thread = no_thread;
}

static int nothing(void)
{
	return 7;
}

/* Some hosts let nobody make namespaces: then there is nothing to try. */
static void need_jail(void)
{
	use(&plain, JAIL_MAIN, true);
	int status = outcome(nothing);
	if (status == 77) {
		print_message("skipped: %s", trial.said);
		skip();
	}
	assert_int_equal(status, 7);
}

/* ---- what every role is denied ---- */

static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? 1 : 0;
}

static int try_openat(void)
{
	return openat(KEPT, "x", O_RDONLY) < 0 ? 1 : 0;
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0;
}

static int try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 1 : 0;
}

static int try_send_to(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "x"};
	return sendto(KEPT, "", 1, 0, (const struct sockaddr *)&address, sizeof(address)) < 0 ? 1 : 0;
}

static int try_receive_from(void)
{
	char byte;
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	return recvfrom(KEPT, &byte, 1, 0, (struct sockaddr *)&address, &size) < 0 ? 1 : 0;
}

static int try_receive_message(void)
{
	struct msghdr message = {0};
	return recvmsg(KEPT, &message, 0) < 0 ? 1 : 0;
}

static int try_execve(void)
{
	char *arguments[] = {(char[]){"sh"}, NULL}, *none[] = {NULL};
	return execve("/bin/sh", arguments, none);
}

static int try_fork(void)
{
	return (int)syscall(SYS_fork);
}

static int try_thread(void)
{
	return (int)syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL, NULL);
}

static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int try_memory_of_others(void)
{
	return (int)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static int try_kill(void)
{
	return kill(1, 0);
}

static int try_tgkill_of_another(void)
{
	return (int)syscall(SYS_tgkill, 1, 1, 0);
}

static int try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 1 : 0;
}

static int try_to_make_memory_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int try_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static int try_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_user(void)
{
	return setuid(0);
}

static int try_chroot(void)
{
	return chroot("/");
}

static int try_foreign_ioctl(void)
{
	return ioctl(KEPT, TIOCSTI, "x");
}

static int try_new_machine(void)
{
	return ioctl(KEPT, KVM_CREATE_VM, 0);
}

static int try_memory_slot(void)
{
	return ioctl(KEPT, KVM_SET_USER_MEMORY_REGION, NULL);
}

static int try_handler(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? 1 : 0;
}

static int try_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int try_ring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int try_userfault(void)
{
	return (int)syscall(SYS_userfaultfd, 0);
}

static int try_other_convention(void)
{
	/* getpid as 32-bit programs call it: 20, which is writev for others. */
	int result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	return result > 0 ? 1 : 0;
}

static int try_x32(void)
{
	return (int)syscall(0x40000000 + SYS_getpid) > 0 ? 1 : 0;
}

static trial_function *const denied_to_all[] = {
	try_open,
	try_openat,
	try_socket,
	try_send_to,
	try_receive_from,
	try_receive_message,
	try_execve,
	try_fork,
	try_thread,
	try_ptrace,
	try_memory_of_others,
	try_kill,
	try_tgkill_of_another,
	try_executable_memory,
	try_to_make_memory_executable,
	try_mount,
	try_namespace,
	try_user,
	try_chroot,
	try_foreign_ioctl,
	try_new_machine,
	try_memory_slot,
	try_handler,
	try_bpf,
	try_ring,
	try_userfault,
};

static void every_role_is_denied(void **state)
{
	(void)state;
	need_jail();
	for (enum jail_role role = JAIL_MAIN; role <= JAIL_SLOW; role++) {
		use(&plain, role, false);
		for (size_t i = 0; i < ARRAY_LENGTH(denied_to_all); i++) {
			int status = outcome(denied_to_all[i]);
			if (status != DENIED)
				fail_msg("role %d, trial %zu: ended with %d, and said '%s'", (int)role, i, status,
					 trial.said);
			assert_non_null(strstr(trial.said, "the jail ends this machine"));
		}
	}
}

/* Their numbers mean other calls: the kernel ends the process at once. */
static void other_conventions_end_it(void **state)
{
	static trial_function *const trials[] = {try_other_convention, try_x32};
	(void)state;
	need_jail();
	use(&plain, JAIL_VCPU, false);
	for (size_t i = 0; i < ARRAY_LENGTH(trials); i++) {
		pid_t child = fork();
		int status;
		if (child == 0)
			try_in_child(trials[i], STDERR_FILENO);
		assert_int_equal(waitpid(child, &status, 0), child);
		/* A kernel without 32-bit programs has no such call to deny. */
		assert_true((WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV)) ||
			    (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	}
}

/* ---- what is of one role alone ---- */

static int try_kvm_run(void)
{
	return ioctl(KEPT, KVM_RUN, 0) < 0 ? 7 : 0;
}

static int try_interrupt(void)
{
	return ioctl(KEPT, KVM_SIGNAL_MSI, NULL) < 0 ? 7 : 0;
}

static int try_registers(void)
{
	return ioctl(KEPT, KVM_SET_REGS, NULL) < 0 ? 7 : 0;
}

static int try_sync(void)
{
	return fdatasync(KEPT) < 0 ? 7 : 0;
}

static int try_accept(void)
{
	return accept4(KEPT, NULL, NULL, 0) < 0 ? 7 : 0;
}

static int try_random(void)
{
	char byte;
	return syscall(SYS_getrandom, &byte, 1, 0) == 1 ? 7 : 0;
}

static int try_send(void)
{
	return send(KEPT, "", 1, 0) < 0 ? 7 : 0;
}

static int try_receive(void)
{
	char byte;
	return recv(KEPT, &byte, 1, 0) < 0 ? 7 : 0;
}

static void roles_differ(void **state)
{
	static const struct {
		trial_function *what;
		unsigned allowed; /* bits of roles */
	} trials[] = {
		{try_kvm_run, 1U << JAIL_VCPU},
		{try_registers, 1U << JAIL_MAIN},
		{try_interrupt,
		 1U << JAIL_MAIN | 1U << JAIL_VCPU | 1U << JAIL_DISK | 1U << JAIL_NETWORK | 1U << JAIL_SLOW},
		{try_sync, 1U << JAIL_DISK | 1U << JAIL_MAIN},
		{try_accept, 1U << JAIL_MAIN},
		{try_send, 1U << JAIL_MAIN | 1U << JAIL_NETWORK},
		{try_receive, 1U << JAIL_MAIN | 1U << JAIL_NETWORK},
		{try_random, 1U << JAIL_SLOW | 1U << JAIL_MAIN},
	};
	(void)state;
	need_jail();
	for (size_t i = 0; i < ARRAY_LENGTH(trials); i++) {
		for (enum jail_role role = JAIL_MAIN; role <= JAIL_SLOW; role++) {
			use(&plain, role, false);
			int status = outcome(trials[i].what);
			if (status != (trials[i].allowed >> role & 1 ? 7 : DENIED))
				fail_msg("role %d, trial %zu: ended with %d", (int)role, i, status);
		}
	}
}

/* ---- the process, without a filter ---- */

static int look_at_root(void)
{
	struct stat st;
	if (stat("/etc", &st) == 0 || stat("/proc", &st) == 0 || stat("/..", &st) != 0)
		return 1;
	if (mkdir("/x", 0700) == 0 || open("/x", O_CREAT | O_WRONLY, 0600) >= 0)
		return 2;
	return 7;
}

static int look_at_descriptors(void)
{
	return fcntl(OTHER, F_GETFD) < 0 && fcntl(KEPT, F_GETFD) >= 0 ? 7 : 1;
}

/* The host's network has at least a loopback that is up, or other sockets; this one has nothing that is up. */
static int look_at_network(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0salvor-test-jail"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? 7 : 1;
}

static int look_at_rights(void)
{
	struct rlimit core;
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0)
		return 1;
	if (sethostname("x", 1) == 0 || setuid(1) == 0 || mount("none", "/", "tmpfs", 0, NULL) == 0)
		return 2;
	return 7;
}

static int look_at_user(void)
{
	uid_t real, effective, saved;
	getresuid(&real, &effective, &saved);
	return real == NOBODY && effective == NOBODY && saved == NOBODY && getegid() == NOBODY &&
			       getgroups(0, NULL) == 0
		       ? 7
		       : 1;
}

static void the_process_has_nothing(void **state)
{
	static trial_function *const trials[] = {look_at_root, look_at_descriptors, look_at_network, look_at_rights};
	(void)state;
	need_jail();
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0salvor-test-jail"};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(trials); i++) {
		use(&plain, JAIL_MAIN, true);
		assert_int_equal(outcome(trials[i]), 7);
		if (geteuid() != 0)
			continue;
		use(&as_nobody, JAIL_MAIN, true);
		assert_int_equal(outcome(trials[i]), 7);
	}
	close(listener);
}

static void root_becomes_another(void **state)
{
	(void)state;
	need_jail();
	use(&as_nobody, JAIL_MAIN, true);
	if (geteuid() == 0) {
		assert_int_equal(outcome(look_at_user), 7);
		return;
	}
	assert_int_equal(outcome(look_at_user), 99);
	assert_non_null(strstr(trial.said, "only root"));
}

static int look_at_groups(void)
{
	return getgroups(0, NULL) == 0 ? 7 : 1;
}

static void root_leaves_its_groups(void **state)
{
	gid_t before[64], other = NOBODY;
	int n = getgroups(ARRAY_LENGTH(before), before);
	(void)state;
	need_jail();
	if (geteuid() != 0 || n < 0 || setgroups(1, &other) != 0)
		skip();
	use(&plain, JAIL_MAIN, true);
	int status = outcome(look_at_groups);
	assert_int_equal(setgroups((size_t)n, before), 0);
	assert_int_equal(status, 7);
	assert_non_null(strstr(trial.said, "without --uid"));
}

/* ---- folders of sockets ---- */

static char folder[64];

static int reach_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 7 : 1;
}

static int write_beside_socket(void)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/x", folder);
	return open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 ? 7 : 1;
}

static void a_shown_folder_has_its_sockets(void **state)
{
	(void)state;
	need_jail();
	snprintf(folder, sizeof(folder), "/tmp/salvor-jail.XXXXXX");
	assert_non_null(mkdtemp(folder));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	const char *const folders[] = {folder};
	const struct jail_options shown = {.keep = kept, .n_keep = 1, .folders = folders, .n_folders = 1};
	use(&shown, JAIL_DISK, false);
	assert_int_equal(outcome(reach_socket), 7);
	assert_int_equal(outcome(try_socket), DENIED);
	use(&shown, JAIL_DISK, true);
	assert_int_equal(outcome(write_beside_socket), 7);
	use(&shown, JAIL_VCPU, false);
	assert_int_equal(outcome(reach_socket), DENIED);
	use(&plain, JAIL_DISK, false);
	assert_int_equal(outcome(try_unix_socket), DENIED);
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

static void without_a_jail_nothing_is_denied(void **state)
{
	static const struct jail_options off = {.off = true};
	(void)state;
	use(&off, JAIL_MAIN, false);
	assert_int_equal(outcome(try_open), 0);
	assert_non_null(strstr(trial.said, "--no-jail"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_role_is_denied),
		cmocka_unit_test(other_conventions_end_it),
		cmocka_unit_test(roles_differ),
		cmocka_unit_test(the_process_has_nothing),
		cmocka_unit_test(root_becomes_another),
		cmocka_unit_test(root_leaves_its_groups),
		cmocka_unit_test(a_shown_folder_has_its_sockets),
		cmocka_unit_test(without_a_jail_nothing_is_denied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
