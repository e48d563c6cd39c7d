// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/digest.h"

// The newer interface looks its algorithms up and allocates; this one does neither.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

namespace weir::parse {

std::array<uint8_t, 16> md5_of(Bytes bytes) noexcept {
  std::array<uint8_t, 16> sum;
  MD5_CTX context;
  MD5_Init(&context);
  MD5_Update(&context, bytes.data(), bytes.size());
  MD5_Final(sum.data(), &context);
  return sum;
}

}  // namespace weir::parse
