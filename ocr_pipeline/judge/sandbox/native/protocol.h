/* What the sandbox and the fork server share: messages over SOCK_SEQPACKET sockets, and the filter of a test process.
 *
 * The structs and numbers of the protocol come from protocol.py (constants.h is generated). Everything here works
 * without the C library: the fork server runs before it is set up, and before any code of the candidate.
 */
#ifndef OCR_JUDGE_PROTOCOL_H
#define OCR_JUDGE_PROTOCOL_H

#include "constants.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define CONTROL_SPACE CMSG_SPACE(TEST_FILES * sizeof(int))

/* A system call without the C library; a failure is a negative errno. */
static inline long raw(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "the judge knows x86-64 and arm64 only"
#endif
}

/* End a process whose own preparation failed. No program can send itself this signal, so nobody takes it for the program's. */
static inline void give_up(void)
{
    raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0);
    raw(SYS_exit_group, 127, 0, 0, 0, 0);
}

/* Receive one message with up to TEST_FILES files; returns its size, 0 at the end, below 0 on failure. */
static inline long receive_message(int socket_fd, void *data, size_t size, int *files, int *n_files)
{
    union { char bytes[CONTROL_SPACE]; struct cmsghdr align; } control;
    struct iovec part = { data, size };
    struct msghdr message;
    long received;
    message.msg_name = NULL;
    message.msg_namelen = 0;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    message.msg_flags = 0;
    do
        received = raw(SYS_recvmsg, socket_fd, (long)&message, MSG_CMSG_CLOEXEC, 0, 0);
    while (received == -EINTR);
    *n_files = 0;
    struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        *n_files = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < *n_files; i++)
            files[i] = ((int *)CMSG_DATA(header))[i];
    }
    return received;
}

static inline long send_message(int socket_fd, const void *data, size_t size, const int *files, int n_files)
{
    union { char bytes[CONTROL_SPACE]; struct cmsghdr align; } control;
    struct iovec part = { (void *)data, size };
    struct msghdr message;
    message.msg_name = NULL;
    message.msg_namelen = 0;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = NULL;
    message.msg_controllen = 0;
    message.msg_flags = 0;
    if (n_files) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_files * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_files * sizeof(int));
        for (int i = 0; i < n_files; i++)
            ((int *)CMSG_DATA(header))[i] = files[i];
    }
    return raw(SYS_sendmsg, socket_fd, (long)&message, MSG_NOSIGNAL, 0, 0);
}

/* Put files on the descriptors from 0 on and close everything else. They are moved out of the way first. */
static inline int install_files(const int *files, int n_files)
{
    int high[TEST_FILES];
    for (int i = 0; i < n_files; i++)
        if ((high[i] = (int)raw(SYS_fcntl, files[i], 1030 /* F_DUPFD_CLOEXEC */, 100, 0, 0)) < 0)
            return -1;
    for (int i = 0; i < n_files; i++)
        if (raw(SYS_dup3, high[i], i, 0, 0, 0) < 0)
            return -1;
    return (int)raw(SYS_close_range, n_files, ~0U, 0, 0, 0);
}

/* ---- filters ----
 *
 * A filter is a list of rules for the kernel's small machine. Each helper below adds a block that begins and ends with
 * the call's number loaded, so that blocks can follow each other in any order.
 */

#if defined(__x86_64__)
#define JUDGE_ARCH AUDIT_ARCH_X86_64
#else
#define JUDGE_ARCH AUDIT_ARCH_AARCH64
#endif

enum { MAX_RULES = 400 };
static struct sock_filter rules[MAX_RULES];
static int n_rules;

static inline void add(uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t value)
{
    struct sock_filter *rule = &rules[n_rules++];
    rule->code = code;
    rule->jt = if_true;
    rule->jf = if_false;
    rule->k = value;
}

static inline void load_number(void) { add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)); }
static inline void load_argument(int n) { add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) + 8 * n); }
static inline void jump_equal(uint32_t value, int if_true, int if_false)
{
    add(BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)if_true, (uint8_t)if_false, value);
}
static inline void answer(uint32_t what) { add(BPF_RET | BPF_K, 0, 0, what); }
static inline void refuse(int error) { answer(SECCOMP_RET_ERRNO | (uint32_t)error); }

static inline void refuse_call(uint32_t number, int error)
{
    jump_equal(number, 0, 1);
    refuse(error);
}

/* Refuse a call unless an argument is one of some values. */
static inline void require_argument(uint32_t number, int argument, const uint32_t *values, int count, int error)
{
    jump_equal(number, 0, count + 3);
    load_argument(argument);
    for (int i = 0; i < count; i++)
        jump_equal(values[i], count - i, 0);
    refuse(error);
    load_number();
}

/* Refuse a call if an argument is this value. */
static inline void refuse_argument(uint32_t number, int argument, uint32_t value, int error)
{
    jump_equal(number, 0, 4);
    load_argument(argument);
    jump_equal(value, 0, 1);
    refuse(error);
    load_number();
}

static inline int install_filter(void)
{
    struct sock_fprog program;
    program.len = (unsigned short)n_rules;
    program.filter = rules;
    return (int)raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0);
}

#define ALL_NEW_NAMESPACES 0x7E020080u /* every CLONE_NEW* flag */
#define SERVER_CLONE (CLONE_PARENT | SIGCHLD)
#define REQUIRE(number, argument, error, ...)                                                  \
    do {                                                                                       \
        uint32_t wanted[] = { __VA_ARGS__ };                                                   \
        require_argument(number, argument, wanted, sizeof wanted / sizeof *wanted, error);     \
    } while (0)

/* Threads only; a fork server's own fork besides. */
static inline void restrict_clone(int is_server)
{
    jump_equal(SYS_clone, 0, is_server ? 7 : 5);
    load_argument(0);
    if (is_server)
        jump_equal(SERVER_CLONE, 4, 0);
    add(BPF_JMP | BPF_JSET | BPF_K, 1, 0, ALL_NEW_NAMESPACES);
    add(BPF_JMP | BPF_JSET | BPF_K, is_server ? 2 : 1, 0, CLONE_THREAD);
    refuse(EAGAIN);
    if (is_server)
        refuse(EAGAIN);
    load_number();
}

/* What neither a fork server nor a test process may do: new processes and namespaces, exec of anything else, another
 * identity, mounts, signals through descriptors, sockets that reach anybody. */
static inline void restrict_process(int is_server)
{
    static const uint32_t refused[] = {
        SYS_tkill, SYS_mount, SYS_umount2, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_capset, SYS_pidfd_open,
        SYS_setpgid, SYS_setsid, SYS_execve, SYS_landlock_restrict_self,
#ifdef __x86_64__
        SYS_fork, SYS_vfork,
#endif
    };
    restrict_clone(is_server);
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++)
        refuse_call(refused[i], EPERM);
    REQUIRE(SYS_fcntl, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034); /* the rest does nothing, above
        all not naming a process that gets signals */
    REQUIRE(SYS_socketpair, 0, EPERM, AF_UNIX);
    REQUIRE(SYS_socketpair, 1, EPERM, SOCK_STREAM, SOCK_STREAM | SOCK_CLOEXEC, SOCK_STREAM | SOCK_NONBLOCK,
            SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK); /* datagrams could be sent to somebody else's socket */
    REQUIRE(SYS_prctl, 0, EPERM, PR_SET_NAME, PR_GET_NAME, PR_SET_DUMPABLE); /* the last is the server's own */
}

/* The filter of a test process, a layer over the allowlist of its jail. Install it last. */
static inline int confine_test_process(void)
{
    uint32_t self = (uint32_t)raw(SYS_getpid, 0, 0, 0, 0, 0);
    n_rules = 0;
    load_number();
    restrict_process(0);
    REQUIRE(SYS_kill, 0, EPERM, self);
    REQUIRE(SYS_tgkill, 0, EPERM, self);
    refuse_argument(SYS_kill, 1, SIGKILL, EPERM); /* so that one always comes from outside */
    refuse_argument(SYS_tgkill, 2, SIGKILL, EPERM);
    REQUIRE(SYS_prlimit64, 0, EPERM, 0, self);
    refuse_argument(SYS_prlimit64, 1, RLIMIT_CPU, EPERM); /* its end is a SIGKILL */
#ifdef __x86_64__
    refuse_argument(SYS_setrlimit, 0, RLIMIT_CPU, EPERM);
#endif
    REQUIRE(SYS_prctl, 0, EPERM, PR_SET_NAME, PR_GET_NAME);
    refuse_argument(SYS_madvise, 2, 21 /* MADV_PAGEOUT */, EINVAL); /* memory in swap is not counted */
    refuse_call(SYS_execveat, EPERM);
    refuse_call(SYS_seccomp, EPERM);
    refuse_call(SYS_sendmsg, EPERM);
    answer(SECCOMP_RET_ALLOW);
    return install_filter();
}

/* The filter of a fork server, from before its exec on: should a program ever seize it, it can only fork. */
static inline int confine_fork_server(void)
{
    n_rules = 0;
    load_number();
    restrict_process(1);
    answer(SECCOMP_RET_ALLOW);
    return install_filter();
}

#endif
