// SPDX-License-Identifier: Apache-2.0
// Any bytes as a capture: the reader ends, stays inside, and hands out every byte of a good file
// exactly once (header, blocks between, records, trailer).
#include <cstddef>
#include <memory>

#include "dataplane/base/check.h"
#include "dataplane/decode/decode.h"
#include "dataplane/io/capture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  const auto copy = std::make_unique<uint8_t[]>(size);
  std::copy_n(data, size, copy.get());
  auto reader = CaptureReader::over({copy.get(), size}, "fuzz");
  if (!reader) return 0;
  size_t handed_out = reader->file_header().size();
  while (const auto f = reader->next()) {
    CHECK(f->bytes.size() <= kCaptureFrameMax && f->wire_bytes >= f->bytes.size());
    CHECK(f->record.data() <= f->bytes.data());
    CHECK(f->bytes.data() + f->bytes.size() <= f->record.data() + f->record.size());
    Headers h;
    decode_packet({.data = f->bytes.data(),
                   .bytes = static_cast<uint32_t>(f->bytes.size()),
                   .wire_bytes = f->wire_bytes},
                  f->link, h);
    handed_out += f->before.size() + f->record.size();
  }
  if (!reader->error()) CHECK(handed_out + reader->trailer().size() == size);
  return 0;
}
