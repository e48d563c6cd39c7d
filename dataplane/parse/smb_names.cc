// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/smb_names.h"

#include <cstddef>

namespace weir::parse {

namespace {

struct Named {
  uint32_t number;
  std::string_view name;
};

template <size_t N>
std::string_view find(const Named (&names)[N], uint32_t number) noexcept {
  for (const Named& n : names) {
    if (n.number == number) return n.name;
  }
  return {};
}

// MS-CIFS section 2.2.2.1.
constexpr Named kSmb1Commands[] = {{0x00, "SMB1_COMMAND_CREATE_DIRECTORY"},
                                   {0x01, "SMB1_COMMAND_DELETE_DIRECTORY"},
                                   {0x02, "SMB1_COMMAND_OPEN"},
                                   {0x03, "SMB1_COMMAND_CREATE"},
                                   {0x04, "SMB1_COMMAND_CLOSE"},
                                   {0x05, "SMB1_COMMAND_FLUSH"},
                                   {0x06, "SMB1_COMMAND_DELETE"},
                                   {0x07, "SMB1_COMMAND_RENAME"},
                                   {0x08, "SMB1_COMMAND_QUERY_INFORMATION"},
                                   {0x09, "SMB1_COMMAND_SET_INFORMATION"},
                                   {0x0a, "SMB1_COMMAND_READ"},
                                   {0x0b, "SMB1_COMMAND_WRITE"},
                                   {0x0c, "SMB1_COMMAND_LOCK_BYTE_RANGE"},
                                   {0x0d, "SMB1_COMMAND_UNLOCK_BYTE_RANGE"},
                                   {0x0e, "SMB1_COMMAND_CREATE_TEMPORARY"},
                                   {0x0f, "SMB1_COMMAND_CREATE_NEW"},
                                   {0x10, "SMB1_COMMAND_CHECK_DIRECTORY"},
                                   {0x11, "SMB1_COMMAND_PROCESS_EXIT"},
                                   {0x12, "SMB1_COMMAND_SEEK"},
                                   {0x13, "SMB1_COMMAND_LOCK_AND_READ"},
                                   {0x14, "SMB1_COMMAND_WRITE_AND_UNLOCK"},
                                   {0x22, "SMB1_COMMAND_SET_INFORMATION2"},
                                   {0x23, "SMB1_COMMAND_QUERY_INFORMATION2"},
                                   {0x24, "SMB1_COMMAND_LOCKING_ANDX"},
                                   {0x25, "SMB1_COMMAND_TRANS"},
                                   {0x2b, "SMB1_COMMAND_ECHO"},
                                   {0x2c, "SMB1_COMMAND_WRITE_AND_CLOSE"},
                                   {0x2d, "SMB1_COMMAND_OPEN_ANDX"},
                                   {0x2e, "SMB1_COMMAND_READ_ANDX"},
                                   {0x2f, "SMB1_COMMAND_WRITE_ANDX"},
                                   {0x32, "SMB1_COMMAND_TRANS2"},
                                   {0x33, "SMB1_COMMAND_TRANS2_SECONDARY"},
                                   {0x34, "SMB1_COMMAND_FIND_CLOSE2"},
                                   {0x70, "SMB1_COMMAND_TREE_CONNECT"},
                                   {0x71, "SMB1_COMMAND_TREE_DISCONNECT"},
                                   {0x72, "SMB1_COMMAND_NEGOTIATE_PROTOCOL"},
                                   {0x73, "SMB1_COMMAND_SESSION_SETUP_ANDX"},
                                   {0x74, "SMB1_COMMAND_LOGOFF_ANDX"},
                                   {0x75, "SMB1_COMMAND_TREE_CONNECT_ANDX"},
                                   {0x80, "SMB1_COMMAND_QUERY_INFO_DISK"},
                                   {0x81, "SMB1_COMMAND_SEARCH"},
                                   {0xa0, "SMB1_COMMAND_NT_TRANS"},
                                   {0xa1, "SMB1_COMMAND_NT_TRANS_SECONDARY"},
                                   {0xa2, "SMB1_COMMAND_NT_CREATE_ANDX"},
                                   {0xa4, "SMB1_COMMAND_NT_CANCEL"},
                                   {0xa5, "SMB1_COMMAND_NT_RENAME"}};

// MS-SMB2 section 2.2.1.
constexpr std::string_view kSmb2Commands[] = {"SMB2_COMMAND_NEGOTIATE_PROTOCOL",
                                              "SMB2_COMMAND_SESSION_SETUP",
                                              "SMB2_COMMAND_SESSION_LOGOFF",
                                              "SMB2_COMMAND_TREE_CONNECT",
                                              "SMB2_COMMAND_TREE_DISCONNECT",
                                              "SMB2_COMMAND_CREATE",
                                              "SMB2_COMMAND_CLOSE",
                                              "SMB2_COMMAND_FLUSH",
                                              "SMB2_COMMAND_READ",
                                              "SMB2_COMMAND_WRITE",
                                              "SMB2_COMMAND_LOCK",
                                              "SMB2_COMMAND_IOCTL",
                                              "SMB2_COMMAND_CANCEL",
                                              "SMB2_COMMAND_KEEPALIVE",
                                              "SMB2_COMMAND_FIND",
                                              "SMB2_COMMAND_CHANGE_NOTIFY",
                                              "SMB2_COMMAND_GET_INFO",
                                              "SMB2_COMMAND_SET_INFO",
                                              "SMB2_COMMAND_OPLOCK_BREAK"};

constexpr Named kDialects[] = {{0x0202, "2.02"}, {0x0210, "2.10"}, {0x0222, "2.22"},
                               {0x0224, "2.24"}, {0x02ff, "2.??"}, {0x0300, "3.00"},
                               {0x0302, "3.02"}, {0x0310, "3.10"}, {0x0311, "3.11"}};

// MS-ERREF section 2.3.1.
constexpr Named kStatuses[] = {{0x00000000, "STATUS_SUCCESS"},
                               {0x00000103, "STATUS_PENDING"},
                               {0x00000104, "STATUS_REPARSE"},
                               {0x00000105, "STATUS_MORE_ENTRIES"},
                               {0x00000107, "STATUS_SOME_NOT_MAPPED"},
                               {0x0000010b, "STATUS_NOTIFY_CLEANUP"},
                               {0x0000010c, "STATUS_NOTIFY_ENUM_DIR"},
                               {0x80000005, "STATUS_BUFFER_OVERFLOW"},
                               {0x80000006, "STATUS_NO_MORE_FILES"},
                               {0x80000011, "STATUS_DEVICE_BUSY"},
                               {0x80000014, "STATUS_NO_MORE_EAS"},
                               {0x8000001a, "STATUS_NO_MORE_ENTRIES"},
                               {0x8000002d, "STATUS_STOPPED_ON_SYMLINK"},
                               {0xc0000001, "STATUS_UNSUCCESSFUL"},
                               {0xc0000002, "STATUS_NOT_IMPLEMENTED"},
                               {0xc0000003, "STATUS_INVALID_INFO_CLASS"},
                               {0xc0000004, "STATUS_INFO_LENGTH_MISMATCH"},
                               {0xc0000008, "STATUS_INVALID_HANDLE"},
                               {0xc000000d, "STATUS_INVALID_PARAMETER"},
                               {0xc000000e, "STATUS_NO_SUCH_DEVICE"},
                               {0xc000000f, "STATUS_NO_SUCH_FILE"},
                               {0xc0000010, "STATUS_INVALID_DEVICE_REQUEST"},
                               {0xc0000011, "STATUS_END_OF_FILE"},
                               {0xc0000016, "STATUS_MORE_PROCESSING_REQUIRED"},
                               {0xc0000017, "STATUS_NO_MEMORY"},
                               {0xc0000022, "STATUS_ACCESS_DENIED"},
                               {0xc0000023, "STATUS_BUFFER_TOO_SMALL"},
                               {0xc0000024, "STATUS_OBJECT_TYPE_MISMATCH"},
                               {0xc0000033, "STATUS_OBJECT_NAME_INVALID"},
                               {0xc0000034, "STATUS_OBJECT_NAME_NOT_FOUND"},
                               {0xc0000035, "STATUS_OBJECT_NAME_COLLISION"},
                               {0xc0000039, "STATUS_OBJECT_PATH_INVALID"},
                               {0xc000003a, "STATUS_OBJECT_PATH_NOT_FOUND"},
                               {0xc000003b, "STATUS_OBJECT_PATH_SYNTAX_BAD"},
                               {0xc000003e, "STATUS_DATA_ERROR"},
                               {0xc0000043, "STATUS_SHARING_VIOLATION"},
                               {0xc0000044, "STATUS_QUOTA_EXCEEDED"},
                               {0xc000004f, "STATUS_EAS_NOT_SUPPORTED"},
                               {0xc0000054, "STATUS_FILE_LOCK_CONFLICT"},
                               {0xc0000055, "STATUS_LOCK_NOT_GRANTED"},
                               {0xc0000056, "STATUS_DELETE_PENDING"},
                               {0xc000005e, "STATUS_NO_LOGON_SERVERS"},
                               {0xc0000061, "STATUS_PRIVILEGE_NOT_HELD"},
                               {0xc0000062, "STATUS_INVALID_ACCOUNT_NAME"},
                               {0xc0000064, "STATUS_NO_SUCH_USER"},
                               {0xc000006a, "STATUS_WRONG_PASSWORD"},
                               {0xc000006c, "STATUS_PASSWORD_RESTRICTION"},
                               {0xc000006d, "STATUS_LOGON_FAILURE"},
                               {0xc000006e, "STATUS_ACCOUNT_RESTRICTION"},
                               {0xc000006f, "STATUS_INVALID_LOGON_HOURS"},
                               {0xc0000070, "STATUS_INVALID_WORKSTATION"},
                               {0xc0000071, "STATUS_PASSWORD_EXPIRED"},
                               {0xc0000072, "STATUS_ACCOUNT_DISABLED"},
                               {0xc0000073, "STATUS_NONE_MAPPED"},
                               {0xc000007a, "STATUS_PROCEDURE_NOT_FOUND"},
                               {0xc000007e, "STATUS_RANGE_NOT_LOCKED"},
                               {0xc000007f, "STATUS_DISK_FULL"},
                               {0xc000009a, "STATUS_INSUFFICIENT_RESOURCES"},
                               {0xc00000a2, "STATUS_MEDIA_WRITE_PROTECTED"},
                               {0xc00000ab, "STATUS_INSTANCE_NOT_AVAILABLE"},
                               {0xc00000ac, "STATUS_PIPE_NOT_AVAILABLE"},
                               {0xc00000ad, "STATUS_INVALID_PIPE_STATE"},
                               {0xc00000ae, "STATUS_PIPE_BUSY"},
                               {0xc00000b0, "STATUS_PIPE_DISCONNECTED"},
                               {0xc00000b1, "STATUS_PIPE_CLOSING"},
                               {0xc00000b5, "STATUS_IO_TIMEOUT"},
                               {0xc00000ba, "STATUS_FILE_IS_A_DIRECTORY"},
                               {0xc00000bb, "STATUS_NOT_SUPPORTED"},
                               {0xc00000be, "STATUS_BAD_NETWORK_PATH"},
                               {0xc00000c3, "STATUS_INVALID_NETWORK_RESPONSE"},
                               {0xc00000c9, "STATUS_NETWORK_NAME_DELETED"},
                               {0xc00000ca, "STATUS_NETWORK_ACCESS_DENIED"},
                               {0xc00000cb, "STATUS_BAD_DEVICE_TYPE"},
                               {0xc00000cc, "STATUS_BAD_NETWORK_NAME"},
                               {0xc00000ce, "STATUS_TOO_MANY_SESSIONS"},
                               {0xc00000d0, "STATUS_REQUEST_NOT_ACCEPTED"},
                               {0xc00000d4, "STATUS_NOT_SAME_DEVICE"},
                               {0xc00000d9, "STATUS_PIPE_EMPTY"},
                               {0xc00000dc, "STATUS_INVALID_SERVER_STATE"},
                               {0xc00000e5, "STATUS_INTERNAL_ERROR"},
                               {0xc0000101, "STATUS_DIRECTORY_NOT_EMPTY"},
                               {0xc0000103, "STATUS_NOT_A_DIRECTORY"},
                               {0xc0000106, "STATUS_NAME_TOO_LONG"},
                               {0xc0000120, "STATUS_CANCELLED"},
                               {0xc0000121, "STATUS_CANNOT_DELETE"},
                               {0xc0000123, "STATUS_FILE_DELETED"},
                               {0xc0000128, "STATUS_FILE_CLOSED"},
                               {0xc000012d, "STATUS_COMMITMENT_LIMIT"},
                               {0xc0000133, "STATUS_TIME_DIFFERENCE_AT_DC"},
                               {0xc000013b, "STATUS_LOCAL_DISCONNECT"},
                               {0xc000013c, "STATUS_REMOTE_DISCONNECT"},
                               {0xc000014b, "STATUS_PIPE_BROKEN"},
                               {0xc000015b, "STATUS_LOGON_TYPE_NOT_GRANTED"},
                               {0xc000018b, "STATUS_NO_TRUST_SAM_ACCOUNT"},
                               {0xc000018c, "STATUS_TRUSTED_DOMAIN_FAILURE"},
                               {0xc000018d, "STATUS_TRUSTED_RELATIONSHIP_FAILURE"},
                               {0xc0000192, "STATUS_NETLOGON_NOT_STARTED"},
                               {0xc0000193, "STATUS_ACCOUNT_EXPIRED"},
                               {0xc0000199, "STATUS_NOLOGON_WORKSTATION_TRUST_ACCOUNT"},
                               {0xc000019b, "STATUS_NOLOGON_SERVER_TRUST_ACCOUNT"},
                               {0xc000019c, "STATUS_FS_DRIVER_REQUIRED"},
                               {0xc0000203, "STATUS_USER_SESSION_DELETED"},
                               {0xc0000205, "STATUS_INSUFF_SERVER_RESOURCES"},
                               {0xc000020c, "STATUS_CONNECTION_DISCONNECTED"},
                               {0xc0000224, "STATUS_PASSWORD_MUST_CHANGE"},
                               {0xc0000225, "STATUS_NOT_FOUND"},
                               {0xc0000233, "STATUS_DOMAIN_CONTROLLER_NOT_FOUND"},
                               {0xc0000234, "STATUS_ACCOUNT_LOCKED_OUT"},
                               {0xc0000257, "STATUS_PATH_NOT_COVERED"},
                               {0xc0000275, "STATUS_NOT_A_REPARSE_POINT"},
                               {0xc000035c, "STATUS_NETWORK_SESSION_EXPIRED"},
                               {0xc0000388, "STATUS_DOWNGRADE_DETECTED"},
                               {0xc000040a, "STATUS_PKINIT_FAILURE"},
                               {0xc0000413, "STATUS_AUTHENTICATION_FIREWALL_FAILED"},
                               {0xc0000418, "STATUS_NTLM_BLOCKED"},
                               {0xc0000466, "STATUS_SERVER_UNAVAILABLE"},
                               {0xc0000467, "STATUS_FILE_NOT_AVAILABLE"}};

// MS-CIFS section 2.2.2.4.
constexpr Named kDosErrors[] = {{1, "DOS_BADFUNC"},       {2, "DOS_BADFILE"},
                                {3, "DOS_BADPATH"},       {4, "DOS_NOFIDS"},
                                {5, "DOS_NOACCESS"},      {6, "DOS_BADFID"},
                                {16, "DOS_REMCD"},        {17, "DOS_DIFFDEVICE"},
                                {18, "DOS_NOFILES"},      {32, "DOS_BADSHARE"},
                                {33, "DOS_LOCK"},         {38, "DOS_EOF"},
                                {50, "DOS_UNSUP"},        {65, "DOS_NETWORK_ACCESS_DENIED"},
                                {80, "DOS_FILEXISTS"},    {87, "DOS_INVALIDPARAM"},
                                {123, "DOS_INVALIDNAME"}, {230, "DOS_BADPIPE"},
                                {231, "DOS_PIPEBUSY"},    {234, "DOS_MOREDATA"}};
constexpr Named kServerErrors[] = {{1, "SRV_ERROR"},         {2, "SRV_BADPW"},
                                   {4, "SRV_ACCESS"},        {5, "SRV_INVTID"},
                                   {6, "SRV_INVNETNAME"},    {7, "SRV_INVDEVICE"},
                                   {64, "SRV_SMBCMD"},       {81, "SRV_ERROR_NOSUPPORT"},
                                   {90, "SRV_TOOMANYUIDS"},  {91, "SRV_BADUID"},
                                   {0xffff, "SRV_NOSUPPORT"}};

// MS-FSCC section 2.3, MS-SMB2 section 2.2.31.
constexpr Named kFsctls[] = {{0x00060194, "FSCTL_DFS_GET_REFERRALS"},
                             {0x000601b0, "FSCTL_DFS_GET_REFERRALS_EX"},
                             {0x00090000, "FSCTL_REQUEST_OPLOCK_LEVEL_1"},
                             {0x0009003c, "FSCTL_GET_COMPRESSION"},
                             {0x000900a4, "FSCTL_SET_REPARSE_POINT"},
                             {0x000900a8, "FSCTL_GET_REPARSE_POINT"},
                             {0x000900c0, "FSCTL_CREATE_OR_GET_OBJECT_ID"},
                             {0x000900c4, "FSCTL_SET_SPARSE"},
                             {0x00090240, "FSCTL_REQUEST_OPLOCK"},
                             {0x00098208, "FSCTL_FILE_LEVEL_TRIM"},
                             {0x00110018, "FSCTL_PIPE_WAIT"},
                             {0x0011400c, "FSCTL_PIPE_PEEK"},
                             {0x0011c017, "FSCTL_PIPE_TRANSCEIVE"},
                             {0x00140078, "FSCTL_SRV_REQUEST_RESUME_KEY"},
                             {0x001401d4, "FSCTL_LMR_REQUEST_RESILIENCY"},
                             {0x001401fc, "FSCTL_QUERY_NETWORK_INTERFACE_INFO"},
                             {0x00140204, "FSCTL_VALIDATE_NEGOTIATE_INFO"},
                             {0x00144064, "FSCTL_SRV_ENUMERATE_SNAPSHOTS"},
                             {0x001440f2, "FSCTL_SRV_COPYCHUNK"},
                             {0x001441bb, "FSCTL_SRV_READ_HASH"},
                             {0x001480f2, "FSCTL_SRV_COPYCHUNK_WRITE"}};

// MS-FSCC section 2.4.
constexpr Named kFileInfos[] = {
    {4, "SMB2_FILE_BASIC_INFO"},           {10, "SMB2_FILE_RENAME_INFO"},
    {11, "SMB2_FILE_LINK_INFO"},           {13, "SMB2_FILE_DISPOSITION_INFO"},
    {19, "SMB2_FILE_ALLOCATION_INFO"},     {20, "SMB2_FILE_ENDOFFILE_INFO"},
    {64, "SMB2_FILE_DISPOSITION_INFO_EX"}, {65, "SMB2_FILE_RENAME_INFO_EX"}};

}  // namespace

std::string_view smb1_command_name(uint8_t command) noexcept {
  return find(kSmb1Commands, command);
}

std::string_view smb2_command_name(uint16_t command) noexcept {
  constexpr size_t kCommands = sizeof kSmb2Commands / sizeof kSmb2Commands[0];
  return command < kCommands ? kSmb2Commands[command] : std::string_view();
}

std::string_view smb2_dialect_name(uint16_t dialect) noexcept {
  return find(kDialects, dialect);
}

std::string_view nt_status_name(uint32_t status) noexcept {
  return find(kStatuses, status);
}

std::string_view dos_error_name(uint8_t cls, uint16_t code) noexcept {
  if (cls == 1) return find(kDosErrors, code);
  return cls == 2 ? find(kServerErrors, code) : std::string_view();
}

std::string_view fsctl_name(uint32_t code) noexcept {
  return find(kFsctls, code);
}

std::string_view file_info_name(uint8_t cls) noexcept {
  return find(kFileInfos, cls);
}

}  // namespace weir::parse
