// Unary calls at a constant rate, whatever the server does: an open loop.
//
// Each call has a time at which it should start, and its latency counts from then. A server that stops for a moment is
// charged for every call that it kept from starting; a closed loop would forget them (coordinated omission).
#pragma once

#include <cstdint>
#include <vector>

struct OpenLoopPlan {
  int port = 0;
  int connections = 10;
  // Calls at once on each connection. One that comes when all are taken waits, and its latency goes on counting.
  int streams = 100;
  double calls_per_second = 0;
  double warm_up_seconds = 1;
  double seconds = 4;
};

struct OpenLoopResult {
  // Nanoseconds from the intended start to the end of every call after the warm-up.
  std::vector<std::int64_t> latencies;
  // From the first of these starts to the last of these ends.
  double seconds = 0;
  // Nanoseconds from the intended start to the write, for 99 of 100 calls: what the generator itself adds.
  std::int64_t lateness_p99 = 0;
};

OpenLoopResult RunOpenLoop(const OpenLoopPlan& plan);
