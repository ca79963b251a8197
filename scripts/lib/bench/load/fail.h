// How a run ends that means nothing: with a line that says why, and status 1.
#pragma once

#include <cstdio>
#include <cstdlib>

template <typename... Values>
[[noreturn]] void Fail(const char* format, Values... values) {
  std::fprintf(stderr, format, values...);
  std::fputc('\n', stderr);
  std::exit(1);
}
