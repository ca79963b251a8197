// Bidirectional streams that ping-pong as fast as the server answers.
#pragma once

#include <cstddef>
#include <cstdint>

struct BidiPlan {
  int port = 0;
  int connections = 10;
  // Streams on each connection.
  int streams = 10;
  // Messages in flight on each stream: every echo that comes back sends the next.
  int window = 10;
  double warm_up_seconds = 1;
  double seconds = 4;
};

struct BidiResult {
  std::uint64_t messages = 0;
  // With the warm-up and what was in flight at the end.
  std::uint64_t all_messages = 0;
  double seconds = 0;
  // Of this process: far below `seconds`, or the generator was what limited the server.
  double cpu_seconds = 0;
};

// Counts the echoes between the warm-up and the end; afterwards every stream must have returned all that it got, and
// end with `grpc-status: 0`.
BidiResult RunBidi(const BidiPlan& plan);
