/* The fork server that is linked into every C++ candidate: one start of the program serves all its tests.
 *
 * It runs before the program's own constructors, so each test sees a fresh program. The test process becomes a child
 * of the jail's first process, which takes its exit status and its resource usage from the kernel; a program that
 * gets hold of this server can therefore change nothing but itself. It is not a boundary: the jail is.
 */
#define _GNU_SOURCE
#include "protocol.h"

#include <signal.h>

static void serve_tests(void)
{
    for (;;) {
        struct test_request request;
        int files[TEST_FILES], n_files;
        if (receive_message(FORK_SERVER_FD, &request, sizeof request, files, &n_files) <= 0 || n_files < LEAST_FILES)
            syscall(SYS_exit_group, 127);
        long child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            if (install_files(files, n_files) < 0 || confine_test_process() < 0)
                syscall(SYS_exit_group, 127);
            use_usual_thread_stacks();
            return; /* into the program's constructors and main */
        }
        for (int i = 0; i < n_files; i++)
            syscall(SYS_close, files[i]);
        uint64_t answer = (uint64_t)child;
        send_message(FORK_SERVER_FD, &answer, sizeof answer, NULL, 0);
    }
}

__attribute__((section(".preinit_array"), used)) static void (*const before_everything)(void) = serve_tests;
