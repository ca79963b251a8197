// The two clocks of a run: what passed, and what this process used of its core.
#pragma once

#include <cstdint>
#include <ctime>

inline std::int64_t Nanoseconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

inline std::int64_t Now() { return Nanoseconds(CLOCK_MONOTONIC); }
inline std::int64_t CpuTime() { return Nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

// From seconds to the nanoseconds that the clocks count.
inline std::int64_t Span(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }
