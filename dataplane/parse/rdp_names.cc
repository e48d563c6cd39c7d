// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/rdp_names.h"

namespace weir::parse {

namespace {

struct Named {
  uint32_t number;
  std::string_view name;
};

constexpr Named kLocales[] = {
    {0x0401, "ar-SA"}, {0x0402, "bg-BG"},        {0x0403, "ca-ES"}, {0x0404, "zh-TW"},
    {0x0405, "cs-CZ"}, {0x0406, "da-DK"},        {0x0407, "de-DE"}, {0x0408, "el-GR"},
    {0x0409, "en-US"}, {0x040a, "es-ES_tradnl"}, {0x040b, "fi-FI"}, {0x040c, "fr-FR"},
    {0x040d, "he-IL"}, {0x040e, "hu-HU"},        {0x040f, "is-IS"}, {0x0410, "it-IT"},
    {0x0411, "ja-JP"}, {0x0412, "ko-KR"},        {0x0413, "nl-NL"}, {0x0414, "nb-NO"},
    {0x0415, "pl-PL"}, {0x0416, "pt-BR"},        {0x0418, "ro-RO"}, {0x0419, "ru-RU"},
    {0x041a, "hr-HR"}, {0x041b, "sk-SK"},        {0x041c, "sq-AL"}, {0x041d, "sv-SE"},
    {0x041e, "th-TH"}, {0x041f, "tr-TR"},        {0x0420, "ur-PK"}, {0x0421, "id-ID"},
    {0x0422, "uk-UA"}, {0x0423, "be-BY"},        {0x0424, "sl-SI"}, {0x0425, "et-EE"},
    {0x0426, "lv-LV"}, {0x0427, "lt-LT"},        {0x0429, "fa-IR"}, {0x042a, "vi-VN"},
    {0x042b, "hy-AM"}, {0x042d, "eu-ES"},        {0x0437, "ka-GE"}, {0x0439, "hi-IN"},
    {0x043e, "ms-MY"}, {0x043f, "kk-KZ"},        {0x0804, "zh-CN"}, {0x0807, "de-CH"},
    {0x0809, "en-GB"}, {0x080a, "es-MX"},        {0x080c, "fr-BE"}, {0x0810, "it-CH"},
    {0x0813, "nl-BE"}, {0x0814, "nn-NO"},        {0x0816, "pt-PT"}, {0x0c04, "zh-HK"},
    {0x0c07, "de-AT"}, {0x0c09, "en-AU"},        {0x0c0a, "es-ES"}, {0x0c0c, "fr-CA"},
    {0x1004, "zh-SG"}, {0x1007, "de-LU"},        {0x1009, "en-CA"}, {0x100c, "fr-CH"},
    {0x1409, "en-NZ"}, {0x1809, "en-IE"},        {0x1c09, "en-ZA"}, {0x2c0a, "es-AR"},
    {0x4009, "en-IN"}};

constexpr Named kBuilds[] = {
    {528, "Windows NT 3.1"},       {807, "Windows NT 3.5"},        {1057, "Windows NT 3.51"},
    {1381, "Windows NT 4.0"},      {2195, "Windows 2000"},         {2600, "Windows XP"},
    {3790, "Windows Server 2003"}, {6000, "Windows Vista RTM"},    {6001, "Windows Vista SP1"},
    {6002, "Windows Vista SP2"},   {7600, "Windows 7 RTM"},        {7601, "Windows 7 SP1"},
    {9200, "Windows 8"},           {9600, "Windows 8.1"},          {10240, "Windows 10 TH1"},
    {10586, "Windows 10 TH2"},     {14393, "Windows 10 RS1"},      {15063, "Windows 10 RS2"},
    {16299, "Windows 10 RS3"},     {17134, "Windows 10 RS4"},      {17763, "Windows 10 RS5"},
    {18362, "Windows 10 19H1"},    {18363, "Windows 10 19H2"},     {19041, "Windows 10 20H1"},
    {19042, "Windows 10 20H2"},    {19043, "Windows 10 21H1"},     {19044, "Windows 10 21H2"},
    {19045, "Windows 10 22H2"},    {20348, "Windows Server 2022"}, {22000, "Windows 11 21H2"},
    {22621, "Windows 11 22H2"},    {22631, "Windows 11 23H2"},     {26100, "Windows 11 24H2"}};

// MS-RDPBCGR section 2.2.1.3.2
constexpr Named kVersions[] = {{0x80001, "v4"},     {0x80004, "v5"},     {0x80005, "v10.0"},
                               {0x80006, "v10.1"},  {0x80007, "v10.2"},  {0x80008, "v10.3"},
                               {0x80009, "v10.4"},  {0x8000a, "v10.5"},  {0x8000b, "v10.6"},
                               {0x8000c, "v10.7"},  {0x8000d, "v10.8"},  {0x8000e, "v10.9"},
                               {0x8000f, "v10.10"}, {0x80010, "v10.11"}, {0x80011, "v10.12"}};

template <size_t N>
std::string_view find(const Named (&names)[N], uint32_t number) noexcept {
  for (const Named& n : names) {
    if (n.number == number) return n.name;
  }
  return "unknown";
}

}  // namespace

std::string_view locale_name(uint32_t lcid) noexcept {
  return find(kLocales, lcid & 0xffff);
}

std::string_view windows_name(uint32_t build) noexcept {
  return find(kBuilds, build);
}

std::string_view rdp_version_name(uint32_t version) noexcept {
  return find(kVersions, version);
}

}  // namespace weir::parse
