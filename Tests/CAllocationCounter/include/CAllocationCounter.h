#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdbool.h>
#include <stdint.h>

/// How often this thread has asked the C library for memory so far.
///
/// Only differences mean anything. Other threads don't count, so tests may run side by side.
uint64_t allocation_count_of_this_thread(void);

/// Whether allocations are counted at all; a sanitizer brings an allocator of its own.
bool allocation_counting_works(void);

#endif
