// The one message that every call sends, and the check that it comes back.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fail.h"

// A message with one `bytes` field of 64 bytes, behind gRPC's prefix: the same bytes that h2load sends.
inline constexpr std::size_t kMessageBytes = 66;
inline constexpr std::size_t kFrameBytes = 5 + kMessageBytes;

inline constexpr std::array<std::uint8_t, kFrameBytes> kFrame = [] {
  std::array<std::uint8_t, kFrameBytes> frame{0, 0, 0, 0, kMessageBytes, 0x0a, 64};
  for (std::uint8_t i = 0; i < 64; ++i) frame[7 + i] = i;
  return frame;
}();

// Compares a stream of bytes with the frame, again and again, however the bytes are cut into pieces.
class EchoReader {
 public:
  // The number of messages that these bytes complete.
  std::size_t Received(const std::uint8_t* data, std::size_t length) {
    std::size_t completed = 0;
    while (length > 0) {
      const std::size_t part = std::min(length, kFrameBytes - offset_);
      if (std::memcmp(data, kFrame.data() + offset_, part) != 0) {
        Fail("The server sent other bytes than it got.");
      }
      data += part;
      length -= part;
      offset_ += part;
      if (offset_ == kFrameBytes) {
        offset_ = 0;
        ++completed;
      }
    }
    return completed;
  }

  bool IsAtBoundary() const { return offset_ == 0; }

 private:
  std::size_t offset_ = 0;
};

// Hands out the bytes of the frame, in as many pieces as flow control makes of it.
class FrameWriter {
 public:
  // The number of bytes written to `buffer`; `IsAtBoundary` tells whether the frame is complete.
  std::size_t Write(std::uint8_t* buffer, std::size_t room) {
    const std::size_t part = std::min(room, kFrameBytes - offset_);
    std::memcpy(buffer, kFrame.data() + offset_, part);
    offset_ = (offset_ + part) % kFrameBytes;
    return part;
  }

  bool IsAtBoundary() const { return offset_ == 0; }

 private:
  std::size_t offset_ = 0;
};
