/* The sandbox: a template process that makes jails, and in each jail a first process that forks one child per test.
 *
 * The template is an interpreter that was started with an empty environment and never held a test (driver.py loads
 * this file into it). It moves itself into a bare read-only root (enter_root) or under Landlock (enter_landlock), then
 * serves requests. Every function that can fail reports the step and the errno; nothing here knows an expected output.
 */
#define _GNU_SOURCE
#include "protocol.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string.h>

static struct {
    int namespaces;     /* tier A; 0: Landlock only (tier B), or nothing at all (tier C) */
    int confined;       /* 0 in tier C */
    int net_namespace;
    uid_t candidate_uid; /* inside the user namespace, or outside when there is none */
    int second_ruleset; /* Landlock without the scratch folder, for tests */
    char scratch[PATH_MAX];
} sandbox = { .second_ruleset = -1 };

/* The jail that this process is the first of. */
static struct {
    struct jail_request request;
    int socket;
    int program;
} jail;

/* ---- moving the template into its root ---- */

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    long written = write(fd, text, strlen(text));
    close(fd);
    return written == (long)strlen(text) ? 0 : -1;
}

static int write_maps(pid_t pid, uid_t outer_root, uid_t outer_candidate, int two_ids)
{
    char path[64], map[96];
    const char *names[] = { "uid_map", "gid_map" };
    if (two_ids)
        snprintf(map, sizeof map, "0 %u 1\n1 %u 1\n", outer_root, outer_candidate);
    for (int i = 0; i < 2; i++) {
        if (!two_ids) {
            snprintf(map, sizeof map, "0 %u 1\n", i == 0 ? outer_root : outer_candidate);
            snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
            if (i == 1 && write_file(path, "deny") < 0)
                return -1;
        }
        snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
        if (write_file(path, map) < 0)
            return -1;
    }
    return 0;
}

/* As root: a child that stays outside writes the two-line map, because only it may. */
static int unshare_user_as_root(uid_t outer_root, uid_t outer_candidate)
{
    int ready[2], status;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -1;
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        char byte;
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
            _exit(1);
        _exit(write_maps(parent, outer_root, outer_candidate, 1) < 0 ? errno : 0);
    }
    int failed = unshare(CLONE_NEWUSER);
    if (failed == 0)
        failed = write(ready[1], "x", 1) != 1;
    close(ready[1]);
    close(ready[0]);
    waitpid(child, &status, 0);
    if (failed || status != 0)
        return -1;
    return setresgid(0, 0, 0) | setresuid(0, 0, 0) | setgroups(0, NULL);
}

static int make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failed = mkdir(path, 0755) < 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return -1;
    }
    return 0;
}

/* Bind one host path into the new root, under the same or another name; links are copied as links. */
static int bind_path(const char *root, const char *source, const char *name)
{
    char target[PATH_MAX], link[PATH_MAX];
    struct stat info;
    if (lstat(source, &info) < 0)
        return 0; /* what the host does not have, the jail does not need */
    if (snprintf(target, sizeof target, "%s%s", root, name) >= (int)sizeof target || make_parents(target) < 0)
        return -1;
    if (S_ISLNK(info.st_mode) && strcmp(source, name) == 0) {
        long length = readlink(source, link, sizeof link - 1);
        if (length < 0)
            return -1;
        link[length] = 0;
        return symlink(link, target) < 0 && errno != EEXIST ? -1 : 0;
    }
    if (stat(source, &info) < 0)
        return 0;
    if (S_ISDIR(info.st_mode)) {
        if (mkdir(target, 0755) < 0 && errno != EEXIST)
            return -1;
    } else {
        int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
        close(fd);
    }
    return mount(source, target, NULL, MS_BIND | (S_ISDIR(info.st_mode) ? MS_REC : 0), NULL);
}

static int build_root(const char *root, const char *const *binds)
{
    char path[PATH_MAX];
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("tmpfs", root, "tmpfs", 0, "size=1m,mode=755") < 0)
        return -1;
    for (; *binds; binds += 2)
        if (bind_path(root, binds[0], binds[1]) < 0)
            return -1;
    const char *links[][2] = { { "/proc/self/fd", "/dev/fd" }, { "fd/0", "/dev/stdin" }, { "fd/1", "/dev/stdout" },
                               { "fd/2", "/dev/stderr" } };
    const char *folders[] = { "/tmp", "/proc", "/dev" };
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        if (mkdir(path, i ? 0755 : 01777) < 0 && errno != EEXIST)
            return -1;
    }
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, links[i][1]);
        if (symlink(links[i][0], path) < 0)
            return -1;
    }
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
    if (syscall(SYS_mount_setattr, AT_FDCWD, root, AT_RECURSIVE, &read_only, sizeof read_only) < 0)
        return -1;
    /* A visible /proc is what lets each jail mount its own over it; it is written once more, for the user map. */
    snprintf(path, sizeof path, "%s/proc", root);
    return mount("/proc", path, NULL, MS_BIND | MS_REC, NULL);
}

static int change_root(const char *root)
{
    if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
        return -1;
    return chdir("/");
}

/* Tier A. `binds` holds pairs of host path and name inside, ending with NULL. Returns 0 or an errno. */
int enter_root(const char *root, const char *const *binds, int with_user_namespace, uid_t template_uid, uid_t candidate_uid)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (uid != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || write_maps(getpid(), uid, gid, 0) < 0)
            return errno;
    } else if (unshare(CLONE_NEWNS) < 0) {
        return errno;
    }
    if (build_root(root, binds) < 0 || change_root(root) < 0)
        return errno;
    if (uid == 0 && with_user_namespace && unshare_user_as_root(template_uid, candidate_uid) != 0)
        return errno ? errno : EPERM;
    return 0;
}

/* ---- tier B: Landlock ---- */

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE)
enum { FIRST_VERSION_RIGHTS = 13, REFER = 1 << 13, TRUNCATE = 1 << 14 }; /* the last two since its versions 2 and 3 */

static long landlock_version(void) { return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION); }

/* Every right to a file that the kernel can take away. */
static uint64_t all_rights(void)
{
    long version = landlock_version();
    return ((1 << FIRST_VERSION_RIGHTS) - 1) | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0);
}

static int allow_path(int ruleset, const char *path, uint64_t rights)
{
    struct stat info;
    struct landlock_path_beneath_attr rule = { rights, open(path, O_PATH | O_CLOEXEC) };
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : -1;
    if (fstat(rule.parent_fd, &info) == 0 && !S_ISDIR(info.st_mode))
        rule.allowed_access &= FILE_RIGHTS & all_rights();
    long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return (int)failed;
}

/* Since the sixth version a ruleset can also forbid signals to processes outside, and their abstract sockets. */
struct scoped_ruleset { uint64_t handled_access_fs, handled_access_net, scoped; };
enum { SCOPE_VERSION = 6, SCOPE_SOCKETS_AND_SIGNALS = 3 };

static int make_ruleset(const char *const *readable, const char *scratch)
{
    struct scoped_ruleset attributes = { all_rights(), 0, SCOPE_SOCKETS_AND_SIGNALS };
    int has_scopes = landlock_version() >= SCOPE_VERSION;
    size_t size = has_scopes ? sizeof attributes : sizeof attributes.handled_access_fs;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0)
        return -1;
    for (; *readable; readable++) { /* a plus before a folder: its names may be listed, its files not read */
        int only_names = **readable == '+';
        if (allow_path(ruleset, *readable + only_names, only_names ? LANDLOCK_ACCESS_FS_READ_DIR : READ_RIGHTS) < 0)
            return -1;
    }
    if (allow_path(ruleset, "/dev/null", FILE_RIGHTS) < 0 || (scratch && allow_path(ruleset, scratch, all_rights()) < 0))
        return -1;
    return ruleset;
}

/* Tier B, first half: become `uid` if root, allow reading `readable` and writing `scratch`. Returns 0 or an errno. */
int enter_landlock(const char *const *readable, const char *scratch, uid_t uid)
{
    int ruleset = make_ruleset(readable, scratch);
    if (ruleset < 0)
        return errno;
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        return errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return errno;
    close(ruleset);
    return 0;
}

/* ---- the allowlist of a jail ---- */

#define CALL(name) SYS_##name
static const uint32_t allowed_calls[] = {
    CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64), CALL(preadv), CALL(pwritev),
    CALL(preadv2), CALL(pwritev2), CALL(lseek), CALL(openat), CALL(close), CALL(close_range), CALL(dup), CALL(dup3),
    CALL(fcntl), CALL(flock), CALL(fsync), CALL(fdatasync), CALL(ftruncate), CALL(truncate), CALL(fallocate),
    CALL(fstat), CALL(newfstatat), CALL(statx), CALL(faccessat), CALL(faccessat2), CALL(readlinkat), CALL(getdents64),
    CALL(getcwd), CALL(chdir), CALL(fchdir), CALL(mkdirat), CALL(unlinkat), CALL(renameat), CALL(renameat2),
    CALL(linkat), CALL(symlinkat), CALL(fchmod), CALL(fchmodat), CALL(utimensat), CALL(umask), CALL(statfs),
    CALL(fstatfs), CALL(sendfile), CALL(copy_file_range), CALL(readahead), CALL(fadvise64),
    CALL(mmap), CALL(munmap), CALL(mremap), CALL(mprotect), CALL(madvise), CALL(msync), CALL(mincore), CALL(brk),
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigpending), CALL(rt_sigtimedwait),
    CALL(rt_sigsuspend), CALL(sigaltstack), CALL(setitimer), CALL(getitimer), CALL(restart_syscall),
    CALL(nanosleep), CALL(clock_nanosleep), CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday), CALL(times),
    CALL(getrusage), CALL(prlimit64), CALL(sysinfo), CALL(uname), CALL(getpid), CALL(gettid), CALL(getppid),
    CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getresuid), CALL(getresgid), CALL(getgroups),
    CALL(getpgid), CALL(getsid), CALL(getpriority), CALL(sched_yield), CALL(sched_getaffinity), CALL(sched_getparam),
    CALL(sched_getscheduler), CALL(sched_get_priority_max), CALL(sched_get_priority_min), CALL(futex),
    CALL(set_robust_list), CALL(get_robust_list), CALL(set_tid_address), CALL(rseq), CALL(membarrier), CALL(ppoll),
    CALL(pselect6), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait), CALL(eventfd2), CALL(pipe2),
    CALL(getrandom), CALL(exit), CALL(exit_group), CALL(getcpu),
    /* what the jail's first process needs; the filter of a test process takes it away again */
    CALL(clone), CALL(wait4), CALL(waitid), CALL(kill), CALL(tgkill), CALL(setresuid), CALL(setresgid), CALL(setgroups),
    CALL(capset), CALL(prctl), CALL(seccomp), CALL(setpgid), CALL(pidfd_open), CALL(sendmsg), CALL(recvmsg),
    CALL(execve), CALL(execveat), CALL(socketpair),
    CALL(sendto), CALL(recvfrom), /* on connected pairs: the only sockets there are */
#ifdef __x86_64__
    CALL(open), CALL(stat), CALL(lstat), CALL(access), CALL(readlink), CALL(getdents), CALL(mkdir), CALL(rmdir),
    CALL(unlink), CALL(rename), CALL(link), CALL(symlink), CALL(chmod), CALL(pipe), CALL(dup2), CALL(poll), CALL(select),
    CALL(epoll_create), CALL(epoll_wait), CALL(alarm), CALL(pause), CALL(time), CALL(getrlimit), CALL(setrlimit),
    CALL(getpgrp), CALL(arch_prctl), CALL(utime),
#endif
};

#ifdef __x86_64__
static const uint32_t process_calls[] = { CALL(fork), CALL(vfork), CALL(chown), CALL(fchown), CALL(utimes) };
#else
static const uint32_t process_calls[] = { CALL(fchown) };
#endif

/* What changes a file without opening it for writing: Landlock looks at none of these, the first but for its third version. */
static const uint32_t changing_calls[] = {
    CALL(truncate), CALL(fchmod), CALL(fchmodat), CALL(utimensat),
#ifdef __x86_64__
    CALL(chmod), CALL(utime),
#endif
};
static const uint32_t harmless_controls[] = { 0x5401 /* TCGETS */, 0x541B /* FIONREAD */, 0x5413 /* TIOCGWINSZ */,
                                              0x5421 /* FIONBIO */, 0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */ };

static void allow_all(const uint32_t *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        jump_equal(calls[i], 0, 1);
        answer(SECCOMP_RET_ALLOW);
    }
}
#define ALLOW_ALL(list) allow_all(list, sizeof list / sizeof *list)

static int filter_jail(int may_start_processes)
{
    n_rules = 0;
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    jump_equal(JUDGE_ARCH, 1, 0);
    answer(SECCOMP_RET_KILL_PROCESS);
    load_number();
    jump_equal(SYS_clone, 0, 4); /* no new namespaces; clone3 hides its flags, and the C library goes on with clone */
    load_argument(0);
    add(BPF_JMP | BPF_JSET | BPF_K, 0, 1, ALL_NEW_NAMESPACES);
    refuse(EPERM);
    load_number();
    refuse_call(SYS_clone3, ENOSYS);
    for (size_t i = 0; !sandbox.namespaces && !may_start_processes && i < sizeof changing_calls / sizeof *changing_calls; i++)
        refuse_call(changing_calls[i], EPERM);
    ALLOW_ALL(allowed_calls);
    if (may_start_processes)
        ALLOW_ALL(process_calls);
    jump_equal(SYS_ioctl, 1, 0);
    refuse(EPERM);
    load_argument(1);
    ALLOW_ALL(harmless_controls);
    refuse(ENOTTY);
    return install_filter();
}

/* ---- the first process of a jail ---- */

static _Noreturn void fail(int step)
{
    struct reply reply = { .error = (uint64_t)(errno ? errno : EINVAL), .step = step };
    send_message(jail.socket, &reply, sizeof reply, NULL, 0);
    _exit(1);
}

/* The limits of a test process. Those that a verdict depends on are checked before the first test (STEP_LIMITS). */
static struct { int resource; uint64_t soft, hard; } limits[9];

static void choose_limits(void)
{
    const struct jail_request *wanted = &jail.request;
    uint64_t chosen[][3] = {
        { RLIMIT_AS, wanted->address_space_bytes, wanted->address_space_bytes },
        { RLIMIT_FSIZE, wanted->file_bytes, wanted->file_bytes },
        { RLIMIT_CPU, wanted->cpu_s, wanted->cpu_s + 1 },
        { RLIMIT_STACK, wanted->stack_bytes, wanted->stack_bytes },
        { RLIMIT_NOFILE, 256, 256 },
        { RLIMIT_NPROC, wanted->processes, wanted->processes },
        { RLIMIT_CORE, 0, 0 }, { RLIMIT_MEMLOCK, 0, 0 }, { RLIMIT_MSGQUEUE, 0, 0 },
    };
    for (int i = 0; i < 9; i++) {
        struct rlimit now;
        limits[i].resource = (int)chosen[i][0];
        limits[i].soft = chosen[i][1];
        limits[i].hard = chosen[i][2];
        if (getrlimit(limits[i].resource, &now) < 0)
            continue;
        if (now.rlim_max >= limits[i].hard) {
            if (limits[i].resource == RLIMIT_STACK)
                limits[i].hard = now.rlim_max; /* honest programs raise it; memory is what counts */
            continue;
        }
        if (i < 5) {
            errno = EPERM;
            fail(STEP_LIMITS);
        }
        limits[i].soft = limits[i].hard = now.rlim_max;
    }
}

static int set_limits(void)
{
    for (int i = 0; i < 9; i++) {
        struct rlimit limit = { limits[i].soft, limits[i].hard };
        if (setrlimit(limits[i].resource, &limit) < 0)
            return -1;
    }
    struct rlimit pending = { 256, 256 };
    setrlimit(RLIMIT_SIGPENDING, &pending);
    return 0;
}

/* Give up every privilege that the jail's first process has. */
static int become_candidate(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };
    if (sandbox.namespaces) {
        if (sandbox.candidate_uid
            && (syscall(SYS_setresgid, sandbox.candidate_uid, sandbox.candidate_uid, sandbox.candidate_uid) < 0
                || syscall(SYS_setresuid, sandbox.candidate_uid, sandbox.candidate_uid, sandbox.candidate_uid) < 0))
            return -1;
        if (syscall(SYS_capset, &header, none) < 0)
            return -1;
    }
    return 0;
}

static void default_signals(void)
{
    signal(SIGXFSZ, SIG_DFL); /* an interpreter ignores these two, and exec inherits that */
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int mount_scratch(uint64_t bytes)
{
    char options[96];
    snprintf(options, sizeof options, "size=%llu,nr_inodes=1024,mode=1777", (unsigned long long)bytes);
    return mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static void enter_jail(void)
{
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    if (!sandbox.namespaces)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (sandbox.namespaces) {
        if (sethostname("judge", 5) < 0)
            fail(STEP_CLONE);
        /* Read-only: who writes to clear_refs makes the kernel forget the peak of its memory. */
        if (mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid,hidepid=invisible") < 0)
            fail(STEP_PROC);
        if (mount_scratch(jail.request.scratch_bytes) < 0 || chdir("/tmp") < 0)
            fail(STEP_SCRATCH);
        for (int capability = 0; capability <= 63; capability++)
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    } else if (chdir(jail.request.kind == JAIL_COMMAND || !sandbox.confined ? sandbox.scratch : "/") < 0) {
        fail(STEP_SCRATCH);
    }
    if (!sandbox.confined)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(STEP_FILTER);
    if (!sandbox.namespaces && jail.request.kind != JAIL_COMMAND
        && syscall(SYS_landlock_restrict_self, sandbox.second_ruleset, 0) < 0)
        fail(STEP_LANDLOCK);
    if (filter_jail(jail.request.kind == JAIL_COMMAND) < 0)
        fail(STEP_FILTER);
}

/* Whether a test left files behind: they must not meet the next test. */
static uint64_t scratch_is_dirty(void)
{
    struct statfs now;
    return sandbox.namespaces && (statfs("/tmp", &now) < 0 || now.f_files - now.f_ffree > 1);
}

static uint64_t microseconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) < 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static clockid_t cpu_clock_of(pid_t pid) { return (clockid_t)((~(unsigned)pid << 3) | 2); }

static uint64_t at_least(uint64_t value, uint64_t least) { return value > least ? value : least; }

/* How long a process has waited for a core, in microseconds; 0 where nobody tells (tier B cannot read /proc). */
static uint64_t waited_us(pid_t pid)
{
    char path[64], text[96] = "";
    unsigned long long ran, waited = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    close(fd);
    return waited / 1000;
}

/* Whether a program past its wall limit is to be stopped, and as what. One that works or waits for a core on a busy
 * machine gets BUSY_FACTOR times as long; a compiler never sleeps, it only waits for the processes it started. */
static int wall_stop(pid_t child, uint64_t cpu, uint64_t wall, uint64_t limit)
{
    if (wall <= limit)
        return STOP_NONE;
    int is_late = wall > BUSY_FACTOR * limit;
    if (jail.request.kind == JAIL_COMMAND)
        return is_late ? STOP_STARVED : STOP_NONE;
    uint64_t used = cpu + waited_us(child);
    if (used * BUSY_FACTOR < wall)
        return STOP_WALL;
    return is_late ? (used > cpu + wall / 2 ? STOP_STARVED : STOP_WALL) : STOP_NONE;
}

/* Wait for a test; kill it when its CPU time or the wall clock runs out, or when the supervisor is gone. */
static void watch(pid_t child, const struct test_request *test, struct reply *reply)
{
    uint64_t start = microseconds(CLOCK_MONOTONIC);
    uint64_t n_cores = (uint64_t)at_least((uint64_t)sysconf(_SC_NPROCESSORS_ONLN), 1);
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd events[2] = { { pidfd, POLLIN, 0 }, { jail.socket, 0, 0 } };
    while (pidfd >= 0) {
        uint64_t cpu = microseconds(cpu_clock_of(child)), wall = microseconds(CLOCK_MONOTONIC) - start;
        if (cpu > test->cpu_limit_us)
            reply->stopped = STOP_CPU;
        else
            reply->stopped = (uint64_t)wall_stop(child, cpu, wall, test->wall_limit_us);
        if (reply->stopped || events[1].revents) {
            kill(child, SIGKILL);
            break;
        }
        uint64_t left = (test->cpu_limit_us - cpu) / n_cores;
        if (wall < test->wall_limit_us && test->wall_limit_us - wall < left)
            left = test->wall_limit_us - wall;
        left = at_least(left, wall < test->wall_limit_us ? 500 : 50000) + 500;
        struct timespec timeout = { (time_t)(left / 1000000), (long)(left % 1000000) * 1000 };
        if (ppoll(events, 2, &timeout, NULL) > 0 && events[0].revents)
            break;
    }
    reply->waited_us = waited_us(child);
    if (pidfd >= 0)
        close(pidfd);
}

static void reap(pid_t child, struct reply *reply)
{
    struct rusage usage;
    int status;
    while (wait4(child, &status, __WALL, &usage) < 0)
        if (errno != EINTR)
            fail(jail.request.kind == JAIL_BINARY ? STEP_START : STEP_WAIT); /* a wrong number is its program's doing */
    reply->wait_status = (uint64_t)status;
    reply->user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
    reply->system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
    reply->peak_kib = (uint64_t)usage.ru_maxrss;
}

/* What survived the test dies here. In tier B a test cannot fork, and a compiler's processes share its group. */
static void kill_strays(pid_t child)
{
    if (sandbox.namespaces && jail.request.kind != JAIL_BINARY)
        kill(-1, SIGKILL);
    else if (jail.request.kind == JAIL_COMMAND || !sandbox.confined)
        kill(-child, SIGKILL);
    else
        return;
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        ;
}

static _Noreturn void start_command(const int *files)
{
    static char text[1 << 16], folder[PATH_MAX + 8];
    char *arguments[256], *environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", folder, NULL };
    snprintf(folder, sizeof folder, "TMPDIR=%s", sandbox.namespaces ? "/tmp" : sandbox.scratch);
    long size = pread(jail.program, text, sizeof text - 1, 0);
    int count = 0;
    for (char *word = text; size > 0 && word < text + size && count < 255; word += strlen(word) + 1)
        arguments[count++] = word;
    arguments[count] = NULL;
    if (sandbox.confined)
        setpgid(0, 0);
    if (count && install_files(files, 3) == 0)
        execve(arguments[0], arguments, environment);
    give_up();
    _exit(127);
}

/* Copy the output file into the result; a link or anything else but a file is not followed. */
static void copy_output(int result)
{
    struct stat info;
    int output = open(jail.request.output_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (output < 0)
        return;
    if (fstat(output, &info) == 0 && S_ISREG(info.st_mode))
        while (sendfile(result, output, NULL, 1 << 20) > 0)
            ;
    close(output);
    unlink(jail.request.output_name);
}

static void copy_input(int input)
{
    off_t start = 0;
    int copy = open(jail.request.input_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (copy >= 0 && sendfile(copy, input, &start, 1 << 20) > 0)
        ;
    if (copy >= 0)
        close(copy);
}

/* Start the candidate's program, which stops at its fork server. */
static int start_fork_server(void)
{
    int pair[2], count = 1;
    char *arguments[64] = { "main", NULL }, *environment[] = { NULL };
    for (char *word = jail.request.arguments; *word && count < 63; word += strlen(word) + 1)
        arguments[count++] = word;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    pid_t server = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (server == 0) {
        default_signals();
        if (set_limits() < 0 || syscall(SYS_dup3, jail.program, FORK_SERVER_FD + 1, O_CLOEXEC) < 0
            || syscall(SYS_dup3, pair[1], FORK_SERVER_FD, 0) < 0 || become_candidate() < 0)
            _exit(126);
        syscall(SYS_close_range, 3, FORK_SERVER_FD - 1, 0);
        syscall(SYS_close_range, FORK_SERVER_FD + 2, ~0U, 0);
        if (sandbox.confined && confine_fork_server() < 0)
            _exit(126);
        syscall(SYS_execveat, FORK_SERVER_FD + 1, "", arguments, environment, AT_EMPTY_PATH);
        _exit(126);
    }
    close(pair[1]);
    return server < 0 ? -1 : pair[0];
}

/* Ask the fork server for a test process; 0 when the server is gone. */
static pid_t fork_binary(int server, const struct test_request *test, const int *files, int n_files)
{
    int none[TEST_FILES], n_none;
    uint64_t answer = 0;
    if (send_message(server, test, sizeof *test, files, n_files) < 0)
        return 0;
    if (receive_message(server, &answer, sizeof answer, none, &n_none) != sizeof answer || (int64_t)answer <= 0)
        return 0;
    return (pid_t)answer;
}

/* Serve the tests of one candidate. Returns only in the test process of a Python candidate. */
static void serve_tests(int server)
{
    uint64_t kind = jail.request.kind;
    for (;;) {
        struct test_request test;
        struct reply reply = { 0 };
        int files[TEST_FILES], n_files;
        if (receive_message(jail.socket, &test, sizeof test, files, &n_files) != sizeof test || n_files < LEAST_FILES)
            _exit(0);
        if (*jail.request.input_name)
            copy_input(files[0]);
        uint64_t start = microseconds(CLOCK_MONOTONIC);
        pid_t child = kind == JAIL_BINARY ? fork_binary(server, &test, files, n_files)
                                          : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0 && kind != JAIL_BINARY) {
            default_signals();
            if (set_limits() < 0 || (sandbox.confined ? become_candidate() : setpgid(0, 0)))
                give_up();
            if (kind == JAIL_COMMAND)
                start_command(files);
            if (install_files(files, n_files) < 0 || (sandbox.confined && confine_test_process() < 0))
                give_up();
            return;
        }
        if (child <= 0) {
            errno = kind == JAIL_BINARY ? ECHILD : errno;
            fail(kind == JAIL_BINARY ? STEP_START : STEP_FORK);
        }
        watch(child, &test, &reply);
        reap(child, &reply);
        reply.wall_us = microseconds(CLOCK_MONOTONIC) - start;
        kill_strays(child);
        if (*jail.request.output_name)
            copy_output(files[3]);
        if (*jail.request.input_name)
            unlink(jail.request.input_name);
        reply.dirty = scratch_is_dirty();
        for (int i = 0; i < n_files; i++)
            close(files[i]);
        if (send_message(jail.socket, &reply, sizeof reply, NULL, 0) < 0)
            _exit(0);
    }
}

/* The file of the jail's program. */
int program_file(void) { return jail.program; }

/* Say that the jail is ready, and serve its tests. Returns only in the test process of a Python candidate. */
void serve_jail(void)
{
    struct reply ready = { 0 };
    choose_limits();
    int server = jail.request.kind == JAIL_BINARY ? start_fork_server() : -1;
    if (jail.request.kind == JAIL_BINARY && server < 0)
        fail(STEP_START);
    send_message(jail.socket, &ready, sizeof ready, NULL, 0);
    serve_tests(server);
}

/* ---- the template ---- */

void configure(int namespaces, int confined, int net_namespace, uid_t candidate_uid, const char *scratch)
{
    sandbox.namespaces = namespaces;
    sandbox.confined = confined;
    sandbox.net_namespace = net_namespace;
    sandbox.candidate_uid = candidate_uid;
    snprintf(sandbox.scratch, sizeof sandbox.scratch, "%s", scratch);
}

/* Tier B, second half, in the template: the ruleset of a test, which has no folder to write. Returns 0 or an errno. */
int prepare_landlock(const char *const *readable)
{
    sandbox.second_ruleset = make_ruleset(readable, NULL);
    return sandbox.second_ruleset < 0 ? errno : 0;
}

static unsigned long jail_flags(void)
{
    if (!sandbox.namespaces)
        return 0;
    return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (sandbox.net_namespace ? CLONE_NEWNET : 0);
}

/* Make a jail per request. Returns 1 in the first process of a Python jail, which then calls serve_jail; 0 when the
 * supervisor is gone. */
int serve(int control_fd)
{
    pthread_attr_t attributes; /* the C library would give each thread as much as the main thread's limit allows */
    if (pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, PYTHON_THREAD_STACK) == 0)
        pthread_setattr_default_np(&attributes);
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps the jails */
    prctl(PR_SET_DUMPABLE, 0);
    for (;;) {
        int files[TEST_FILES], n_files;
        if (receive_message(control_fd, &jail.request, sizeof jail.request, files, &n_files) != sizeof jail.request
            || n_files != 2)
            return 0;
        jail.socket = files[0];
        jail.program = files[1];
        long child = syscall(SYS_clone, jail_flags() | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            close(control_fd);
            enter_jail();
            if (jail.request.kind == JAIL_PYTHON) {
                struct rlimit space = { jail.request.address_space_bytes, jail.request.address_space_bytes };
                setrlimit(RLIMIT_AS, &space);
                return 1;
            }
            serve_jail();
        }
        if (child < 0) {
            struct reply refused = { .error = (uint64_t)errno, .step = STEP_CLONE };
            send_message(jail.socket, &refused, sizeof refused, NULL, 0);
        }
        close(jail.socket);
        close(jail.program);
    }
}
