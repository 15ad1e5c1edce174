/* Linked into every C++ candidate: its threads get a stack of their own size, because the C library would give each as
 * much as the wide limit of the main thread allows, and a pool of four would not fit. Runs in the process of a test. */
#define _GNU_SOURCE
#include "constants.h"

#include <pthread.h>

static void use_usual_stacks(void)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, CPP_THREAD_STACK) == 0)
        pthread_setattr_default_np(&attributes);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_constructors)(void) = use_usual_stacks;
