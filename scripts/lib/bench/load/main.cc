// A load generator for gRPC echo servers that belongs to neither side: libnghttp2, epoll, and one thread.
//
//   echo-load bidi --port P [--connections N] [--streams N] [--window N] [--warm-up S] [--seconds S]
//   echo-load unary --port P --rate R --latencies FILE [--connections N] [--streams N] [--warm-up S] [--seconds S]
//
// It prints one JSON object, or ends with status 1 when one call failed or one byte came back changed. FILE gets the
// latencies in nanoseconds, 64 bits each in the machine's order.

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "bidi.h"
#include "fail.h"
#include "open_loop.h"

namespace {

// The options that follow the name of the load.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 2; i < argc; i += 2) {
      if (std::strncmp(argv[i], "--", 2) != 0) Fail("Expected an option, not %s.", argv[i]);
      if (i + 1 == argc) Fail("%s needs a value.", argv[i]);
      values_[argv[i] + 2] = argv[i + 1];
    }
  }

  template <typename Value>
  void Read(const char* name, Value* value) const {
    const auto found = values_.find(name);
    if (found != values_.end()) *value = static_cast<Value>(std::strtod(found->second.c_str(), nullptr));
  }

  std::string Text(const char* name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) Fail("--%s is missing.", name);
    return found->second;
  }

 private:
  std::map<std::string, std::string> values_;
};

void Bidi(const Options& options) {
  BidiPlan plan;
  options.Read("port", &plan.port);
  options.Read("connections", &plan.connections);
  options.Read("streams", &plan.streams);
  options.Read("window", &plan.window);
  options.Read("warm-up", &plan.warm_up_seconds);
  options.Read("seconds", &plan.seconds);
  const BidiResult result = RunBidi(plan);
  std::printf("{\"messages\": %" PRIu64 ", \"all_messages\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
              result.messages, result.all_messages, result.seconds, result.cpu_seconds);
}

void Unary(const Options& options) {
  OpenLoopPlan plan;
  options.Read("port", &plan.port);
  options.Read("connections", &plan.connections);
  options.Read("streams", &plan.streams);
  options.Read("rate", &plan.calls_per_second);
  options.Read("warm-up", &plan.warm_up_seconds);
  options.Read("seconds", &plan.seconds);
  if (plan.calls_per_second < 1) Fail("--rate must be at least one call a second.");
  const std::string path = options.Text("latencies");
  const OpenLoopResult result = RunOpenLoop(plan);

  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) Fail("Can't write %s.", path.c_str());
  const std::size_t written = std::fwrite(result.latencies.data(), sizeof(std::int64_t), result.latencies.size(), file);
  if (std::fclose(file) != 0 || written != result.latencies.size()) Fail("Can't write %s.", path.c_str());
  std::printf("{\"calls\": %zu, \"seconds\": %.6f, \"lateness_p99_ns\": %" PRId64 "}\n", result.latencies.size(),
              result.seconds, result.lateness_p99);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("Expected bidi or unary.");
  const Options options(argc, argv);
  if (std::strcmp(argv[1], "bidi") == 0) {
    Bidi(options);
  } else if (std::strcmp(argv[1], "unary") == 0) {
    Unary(options);
  } else {
    Fail("Expected bidi or unary, not %s.", argv[1]);
  }
}
