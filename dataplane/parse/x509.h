// SPDX-License-Identifier: Apache-2.0
// Private to parse: what a certificate (RFC 5280, DER) says, written as Suricata writes it.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

// Views into the certificate.
struct Certificate {
  Bytes whole;
  Bytes serial, issuer, subject, alternative_names;
  uint64_t not_before = 0, not_after = 0;  // Unix seconds, two's complement before 1970
};

// Reads one certificate. false: it is none; the fields up to the mistake are filled.
bool read_certificate(Bytes der, Certificate& c) noexcept;

// Which facts the members are. kCount: is not told.
struct CertificateFacts {
  Fact subject, issuer, serial, fingerprint, not_before, not_after, alternative_name;
};
void write_certificate(FactWriter& facts, const Certificate& c, const CertificateFacts& ids,
                       size_t names_max = 128) noexcept;

// "C=US, O=Let's Encrypt, CN=R3" of the content of a Name. Returns how much of `room` it took.
size_t name_text(Bytes name, std::span<uint8_t> room) noexcept;

}  // namespace weir::parse
