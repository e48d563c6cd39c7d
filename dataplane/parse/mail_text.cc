// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/mail_text.h"

#include "dataplane/parse/parser.h"

namespace weir::parse {

namespace {

constexpr uint8_t kFilesMax = 32, kReceivedMax = 16, kAddressesMax = 64;
constexpr size_t kValueMax = 500;

struct Field {
  std::string_view name;
  Fact fact;
};
constexpr Field kOnce[] = {{"from", Fact::kEmailFrom},
                           {"subject", Fact::kEmailSubject},
                           {"date", Fact::kEmailDate},
                           {"message-id", Fact::kEmailMessageId},
                           {"x-mailer", Fact::kEmailMailer}};

// The value of `name=` among a field's parameters; quotes taken off.
Bytes parameter(Bytes value, std::string_view name) noexcept {
  bool quoted = false;
  for (size_t at = 0; at < value.size(); ++at) {
    if (value[at] == '"') quoted = !quoted;
    if (quoted || value[at] != ';') continue;
    Bytes rest = trimmed(value.subspan(at + 1));
    if (!starts_ignoring_case(rest, name)) continue;
    rest = trimmed(rest.subspan(name.size()));
    if (!rest.empty() && rest[0] == '*') rest = rest.subspan(1);  // RFC 2231, as it stands
    if (rest.empty() || rest[0] != '=') continue;
    rest = trimmed(rest.subspan(1));
    const bool in_quotes = !rest.empty() && rest[0] == '"';
    if (in_quotes) rest = rest.subspan(1);
    const auto end = std::find_if(rest.begin(), rest.end(), [&](uint8_t c) {
      return in_quotes ? c == '"' : c == ';' || c == ' ' || c == '\t';
    });
    return rest.first(static_cast<size_t>(end - rest.begin()));
  }
  return {};
}

}  // namespace

void MailText::begin() noexcept {
  where_ = Where::kHead;
  boundaries_ = files_ = received_ = addresses_ = 0;
  fields_said_ = 0;
  field_.clear();
  file_.clear();
}

void MailText::line(Bytes line, FactWriter& facts) noexcept {
  bool last = false;
  if (is_boundary(line, last)) {
    if (where_ != Where::kBody) head_done(facts);
    where_ = last ? Where::kBody : Where::kPartHead;
    return;
  }
  if (where_ == Where::kBody) return;
  if (line.empty()) {
    head_done(facts);
    where_ = Where::kBody;
    return;
  }
  if (line[0] == ' ' || line[0] == '\t') {  // the field goes on
    field_.add(as_bytes(" "));
    field_.add(trimmed(line));
    return;
  }
  field_done(facts);
  field_.set(line);
}

void MailText::end(FactWriter& facts) noexcept {
  if (where_ != Where::kBody) head_done(facts);
  where_ = Where::kBody;
}

void MailText::head_done(FactWriter& facts) noexcept {
  field_done(facts);
  if (!file_.empty() && files_ < kFilesMax) {
    facts.text(Fact::kEmailAttachment, file_.bytes());
    ++files_;
  }
  file_.clear();
}

void MailText::field_done(FactWriter& facts) noexcept {
  const Bytes field = field_.bytes();
  const auto colon =
      static_cast<size_t>(std::find(field.begin(), field.end(), ':') - field.begin());
  if (colon != field.size() && colon != 0) {
    const Bytes name = trimmed(field.first(colon)), value = trimmed(field.subspan(colon + 1));
    if (where_ == Where::kHead) of_mail(name, value, facts);
    of_part(name, value);
  }
  field_.clear();
}

void MailText::of_mail(Bytes name, Bytes value, FactWriter& facts) noexcept {
  for (unsigned i = 0; i < std::size(kOnce); ++i) {
    if (!equal_ignoring_case(name, kOnce[i].name)) continue;
    const auto bit = static_cast<uint16_t>(1u << i);
    if ((fields_said_ & bit) == 0) facts.text(kOnce[i].fact, value, kValueMax);
    fields_said_ |= bit;
    return;
  }
  if (equal_ignoring_case(name, "to")) addresses(Fact::kEmailTo, value, facts);
  if (equal_ignoring_case(name, "cc")) addresses(Fact::kEmailCc, value, facts);
  if (equal_ignoring_case(name, "received") && received_ < kReceivedMax) {
    ++received_;
    facts.text(Fact::kEmailReceived, value, kValueMax);
  }
}

void MailText::addresses(Fact fact, Bytes list, FactWriter& facts) noexcept {
  while (!list.empty() && addresses_ < kAddressesMax) {
    bool quoted = false;
    const auto end = std::find_if(list.begin(), list.end(), [&](uint8_t c) {
      if (c == '"') quoted = !quoted;
      return c == ',' && !quoted;
    });
    const auto n = static_cast<size_t>(end - list.begin());
    const Bytes one = trimmed(list.first(n));
    if (!one.empty()) {
      facts.text(fact, one, 200);
      ++addresses_;
    }
    list = list.subspan(std::min(list.size(), n + 1));
  }
}

void MailText::of_part(Bytes name, Bytes value) noexcept {
  const bool type = equal_ignoring_case(name, "content-type");
  if (!type && !equal_ignoring_case(name, "content-disposition")) return;
  const Bytes file = parameter(value, type ? "name" : "filename");
  if (!file.empty() && (file_.empty() || !type)) file_.set(file);
  if (!type || !starts_ignoring_case(value, "multipart/")) return;
  const Bytes boundary = parameter(value, "boundary");
  if (boundary.empty() || boundaries_ == kBoundariesMax) return;
  boundary_[boundaries_++].set(boundary);
}

bool MailText::is_boundary(Bytes line, bool& last) const noexcept {
  if (line.size() < 3 || line[0] != '-' || line[1] != '-') return false;
  for (unsigned i = 0; i < boundaries_; ++i) {
    const Bytes b = boundary_[i].bytes();
    if (!starts_with(line.subspan(2), as_text(b))) continue;
    const Bytes rest = trimmed(line.subspan(2 + b.size()));
    last = as_text(rest) == "--";
    if (rest.empty() || last) return true;
  }
  return false;
}

}  // namespace weir::parse
