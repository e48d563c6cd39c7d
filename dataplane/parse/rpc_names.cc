// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/rpc_names.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace weir::parse {

namespace {

// Operations: one word each, from opnum 0; "-": nobody calls it.
struct Interface {
  std::string_view uuid, endpoint, operations;
};

constexpr Interface kInterfaces[] = {
    {"367abb81-9844-35f1-ad32-98f038001003", "svcctl",  // MS-SCMR
     "CloseServiceHandle ControlService DeleteService LockServiceDatabase "
     "QueryServiceObjectSecurity SetServiceObjectSecurity QueryServiceStatus SetServiceStatus "
     "UnlockServiceDatabase NotifyBootConfigStatus SetServiceBitsW ChangeServiceConfigW "
     "CreateServiceW EnumDependentServicesW EnumServicesStatusW OpenSCManagerW OpenServiceW "
     "QueryServiceConfigW QueryServiceLockStatusW StartServiceW GetServiceDisplayNameW "
     "GetServiceKeyNameW SetServiceBitsA ChangeServiceConfigA CreateServiceA "
     "EnumDependentServicesA EnumServicesStatusA OpenSCManagerA OpenServiceA QueryServiceConfigA "
     "QueryServiceLockStatusA StartServiceA GetServiceDisplayNameA GetServiceKeyNameA "
     "GetCurrentGroupStateW EnumServiceGroupW ChangeServiceConfig2A ChangeServiceConfig2W "
     "QueryServiceConfig2A QueryServiceConfig2W QueryServiceStatusEx EnumServicesStatusExA "
     "EnumServicesStatusExW SendTSMessage CreateServiceWOW64A CreateServiceWOW64W "
     "QueryServiceTagInfo NotifyServiceStatusChange GetNotifyResult CloseNotifyHandle "
     "ControlServiceExA ControlServiceExW SendPnPMessage ValidatePnPService "
     "OpenServiceStatusHandle - RQueryServiceConfigEx - - - RCreateWowService "
     "ROpenSCManager2"},
    {"86d35949-83c9-4044-b424-db363231fd0c", "ITaskSchedulerService",  // MS-TSCH
     "SchRpcHighestVersion SchRpcRegisterTask SchRpcRetrieveTask SchRpcCreateFolder "
     "SchRpcSetSecurity SchRpcGetSecurity SchRpcEnumFolder SchRpcEnumTasks SchRpcEnumInstances "
     "SchRpcGetInstanceInfo SchRpcStopInstance SchRpcStop SchRpcRun SchRpcDelete SchRpcRename "
     "SchRpcScheduledRuntimes SchRpcGetLastRunInfo SchRpcGetTaskInfo "
     "SchRpcGetNumberOfMissedRuns SchRpcEnableTask"},
    {"1ff70682-0a51-30e8-076d-740be8cee98b", "atsvc",
     "NetrJobAdd NetrJobDel NetrJobEnum NetrJobGetInfo"},
    {"378e52b0-c0a9-11cf-822d-00aa0051e40f", "sasec",
     "SASetAccountInformation SASetNSAccountInformation SAGetNSAccountInformation "
     "SAGetAccountInformation"},
    {"afa8bd80-7d8a-11c9-bef4-08002b102989", "mgmt",  // DCE 1.1, appendix Q
     "inq_if_ids inq_stats is_server_listening stop_server_listening inq_princ_name"},
    {"e1af8308-5d1f-11c9-91a4-08002b14a0fa", "epmapper",  // DCE 1.1, appendix O
     "ept_insert ept_delete ept_lookup ept_map ept_lookup_handle_free ept_inq_object "
     "ept_mgmt_delete ept_map_auth ept_map_auth_async"},
    {"12345778-1234-abcd-ef00-0123456789ab", "lsarpc",  // MS-LSAT, MS-LSAD
     "LsarClose LsarDelete LsarEnumeratePrivileges LsarQuerySecurityObject "
     "LsarSetSecurityObject LsarChangePassword LsarOpenPolicy LsarQueryInformationPolicy "
     "LsarSetInformationPolicy LsarClearAuditLog LsarCreateAccount LsarEnumerateAccounts "
     "LsarCreateTrustedDomain LsarEnumerateTrustedDomains LsarLookupNames LsarLookupSids "
     "LsarCreateSecret LsarOpenAccount LsarEnumeratePrivilegesAccount "
     "LsarAddPrivilegesToAccount LsarRemovePrivilegesFromAccount LsarGetQuotasForAccount "
     "LsarSetQuotasForAccount LsarGetSystemAccessAccount LsarSetSystemAccessAccount "
     "LsarOpenTrustedDomain LsarQueryInfoTrustedDomain LsarSetInformationTrustedDomain "
     "LsarOpenSecret LsarSetSecret LsarQuerySecret LsarLookupPrivilegeValue "
     "LsarLookupPrivilegeName LsarLookupPrivilegeDisplayName LsarDeleteObject "
     "LsarEnumerateAccountsWithUserRight LsarEnumerateAccountRights LsarAddAccountRights "
     "LsarRemoveAccountRights LsarQueryTrustedDomainInfo LsarSetTrustedDomainInfo "
     "LsarDeleteTrustedDomain LsarStorePrivateData LsarRetrievePrivateData LsarOpenPolicy2 "
     "LsarGetUserName LsarQueryInformationPolicy2 LsarSetInformationPolicy2 "
     "LsarQueryTrustedDomainInfoByName LsarSetTrustedDomainInfoByName "
     "LsarEnumerateTrustedDomainsEx LsarCreateTrustedDomainEx LsarCloseTrustedDomainEx "
     "LsarQueryDomainInformationPolicy LsarSetDomainInformationPolicy "
     "LsarOpenTrustedDomainByName LsarTestCall LsarLookupSids2 LsarLookupNames2 "
     "LsarCreateTrustedDomainEx2 CredrWrite CredrRead CredrEnumerate "
     "CredrWriteDomainCredentials CredrReadDomainCredentials CredrDelete "
     "CredrGetTargetInfo CredrProfileLoaded LsarLookupNames3 CredrGetSessionTypes "
     "LsarRegisterAuditEvent LsarGenAuditEvent LsarUnregisterAuditEvent "
     "LsarQueryForestTrustInformation LsarSetForestTrustInformation CredrRename "
     "LsarLookupSids3 LsarLookupNames4 LsarOpenPolicySce"},
    {"12345778-1234-abcd-ef00-0123456789ac", "samr",  // MS-SAMR
     "SamrConnect SamrCloseHandle SamrSetSecurityObject SamrQuerySecurityObject "
     "SamrShutdownSamServer SamrLookupDomainInSamServer SamrEnumerateDomainsInSamServer "
     "SamrOpenDomain SamrQueryInformationDomain SamrSetInformationDomain "
     "SamrCreateGroupInDomain SamrEnumerateGroupsInDomain SamrCreateUserInDomain "
     "SamrEnumerateUsersInDomain SamrCreateAliasInDomain SamrEnumerateAliasesInDomain "
     "SamrGetAliasMembership SamrLookupNamesInDomain SamrLookupIdsInDomain SamrOpenGroup "
     "SamrQueryInformationGroup SamrSetInformationGroup SamrAddMemberToGroup SamrDeleteGroup "
     "SamrRemoveMemberFromGroup SamrGetMembersInGroup SamrSetMemberAttributesOfGroup "
     "SamrOpenAlias SamrQueryInformationAlias SamrSetInformationAlias SamrDeleteAlias "
     "SamrAddMemberToAlias SamrRemoveMemberFromAlias SamrGetMembersInAlias SamrOpenUser "
     "SamrDeleteUser SamrQueryInformationUser SamrSetInformationUser SamrChangePasswordUser "
     "SamrGetGroupsForUser SamrQueryDisplayInformation SamrGetDisplayEnumerationIndex "
     "SamrTestPrivateFunctionsDomain SamrTestPrivateFunctionsUser "
     "SamrGetUserDomainPasswordInformation SamrRemoveMemberFromForeignDomain "
     "SamrQueryInformationDomain2 SamrQueryInformationUser2 SamrQueryDisplayInformation2 "
     "SamrGetDisplayEnumerationIndex2 SamrCreateUser2InDomain SamrQueryDisplayInformation3 "
     "SamrAddMultipleMembersToAlias SamrRemoveMultipleMembersFromAlias "
     "SamrOemChangePasswordUser2 SamrUnicodeChangePasswordUser2 "
     "SamrGetDomainPasswordInformation SamrConnect2 SamrSetInformationUser2 "
     "SamrSetBootKeyInformation SamrGetBootKeyInformation SamrConnect3 SamrConnect4 "
     "SamrUnicodeChangePasswordUser3 SamrConnect5 SamrRidToSid SamrSetDSRMPassword "
     "SamrValidatePassword SamrQueryLocalizableAccountsInDomain "
     "SamrPerformGenericOperation SamrSyncDSRMPasswordFromAccount "
     "SamrLookupNamesInDomain2 SamrEnumerateUsersInDomain2"},
    {"12345678-1234-abcd-ef00-01234567cffb", "netlogon",  // MS-NRPC
     "NetrLogonUasLogon NetrLogonUasLogoff NetrLogonSamLogon NetrLogonSamLogoff "
     "NetrServerReqChallenge NetrServerAuthenticate NetrServerPasswordSet NetrDatabaseDeltas "
     "NetrDatabaseSync NetrAccountDeltas NetrAccountSync NetrGetDCName NetrLogonControl "
     "NetrGetAnyDCName NetrLogonControl2 NetrServerAuthenticate2 NetrDatabaseSync2 "
     "NetrDatabaseRedo NetrLogonControl2Ex NetrEnumerateTrustedDomains DsrGetDcName "
     "NetrLogonGetCapabilities NetrLogonSetServiceBits NetrLogonGetTrustRid "
     "NetrLogonComputeServerDigest NetrLogonComputeClientDigest NetrServerAuthenticate3 "
     "DsrGetDcNameEx DsrGetSiteName NetrLogonGetDomainInfo NetrServerPasswordSet2 "
     "NetrServerPasswordGet NetrLogonSendToSam DsrAddressToSiteNamesW DsrGetDcNameEx2 "
     "NetrLogonGetTimeServiceParentDomain NetrEnumerateTrustedDomainsEx "
     "DsrAddressToSiteNamesExW DsrGetDcSiteCoverageW NetrLogonSamLogonEx "
     "DsrEnumerateDomainTrusts DsrDeregisterDnsHostRecords NetrServerTrustPasswordsGet "
     "DsrGetForestTrustInformation NetrGetForestTrustInformation NetrLogonSamLogonWithFlags "
     "NetrServerGetTrustInfo DsrUpdateReadOnlyServerDnsRecords - - - "
     "NetrChainSetClientAttributes"},
    {"e3514235-4b06-11d1-ab04-00c04fc2dcd2", "drsuapi",  // MS-DRSR
     "DRSBind DRSUnbind DRSReplicaSync DRSGetNCChanges DRSUpdateRefs DRSReplicaAdd "
     "DRSReplicaDel DRSReplicaModify DRSVerifyNames DRSGetMemberships DRSInterDomainMove "
     "DRSGetNT4ChangeLog DRSCrackNames DRSWriteSPN DRSRemoveDsServer DRSRemoveDsDomain "
     "DRSDomainControllerInfo DRSAddEntry DRSExecuteKCC DRSGetReplInfo DRSAddSidHistory "
     "DRSGetMemberships2 DRSReplicaVerifyObjects DRSGetObjectExistence "
     "DRSQuerySitesByCost DRSInitDemotion DRSReplicaDemotion DRSFinishDemotion "
     "DRSAddCloneDC DRSWriteNgcKey DRSReadNgcKey"},
    {"4b324fc8-1670-01d3-1278-5a47bf6ee188", "srvsvc",  // MS-SRVS
     "NetrCharDevEnum NetrCharDevGetInfo NetrCharDevControl NetrCharDevQEnum "
     "NetrCharDevQGetInfo NetrCharDevQSetInfo NetrCharDevQPurge NetrCharDevQPurgeSelf "
     "NetrConnectionEnum NetrFileEnum NetrFileGetInfo NetrFileClose NetrSessionEnum "
     "NetrSessionDel NetrShareAdd NetrShareEnum NetrShareGetInfo NetrShareSetInfo "
     "NetrShareDel NetrShareDelSticky NetrShareCheck NetrServerGetInfo NetrServerSetInfo "
     "NetrServerDiskEnum NetrServerStatisticsGet NetrServerTransportAdd "
     "NetrServerTransportEnum NetrServerTransportDel NetrRemoteTOD NetrServerSetServiceBits "
     "NetprPathType NetprPathCanonicalize NetprPathCompare NetprNameValidate "
     "NetprNameCanonicalize NetprNameCompare NetrShareEnumSticky NetrShareDelStart "
     "NetrShareDelCommit NetrpGetFileSecurity NetrpSetFileSecurity "
     "NetrServerTransportAddEx NetrServerSetServiceBitsEx NetrDfsGetVersion "
     "NetrDfsCreateLocalPartition NetrDfsDeleteLocalPartition NetrDfsSetLocalVolumeState "
     "NetrDfsSetServerInfo NetrDfsCreateExitPoint NetrDfsDeleteExitPoint NetrDfsModifyPrefix "
     "NetrDfsFixLocalVolume NetrDfsManagerReportSiteInfo NetrServerTransportDelEx "
     "NetrServerAliasAdd NetrServerAliasEnum NetrServerAliasDel NetrShareDelEx"},
    {"6bffd098-a112-3610-9833-46c3f87e345a", "wkssvc",  // MS-WKST
     "NetrWkstaGetInfo NetrWkstaSetInfo NetrWkstaUserEnum NetrWkstaUserGetInfo "
     "NetrWkstaUserSetInfo NetrWkstaTransportEnum NetrWkstaTransportAdd "
     "NetrWkstaTransportDel NetrUseAdd NetrUseGetInfo NetrUseDel NetrUseEnum "
     "NetrMessageBufferSend NetrWorkstationStatisticsGet NetrLogonDomainNameAdd "
     "NetrLogonDomainNameDel NetrJoinDomain NetrUnjoinDomain NetrRenameMachineInDomain "
     "NetrValidateName NetrGetJoinInformation NetrGetJoinableOUs NetrJoinDomain2 "
     "NetrUnjoinDomain2 NetrRenameMachineInDomain2 NetrValidateName2 NetrGetJoinableOUs2 "
     "NetrAddAlternateComputerName NetrRemoveAlternateComputerName "
     "NetrSetPrimaryComputerName NetrEnumerateComputerNames"},
    {"338cd001-2244-31f1-aaaa-900038001003", "winreg",  // MS-RRP
     "OpenClassesRoot OpenCurrentUser OpenLocalMachine OpenPerformanceData OpenUsers "
     "BaseRegCloseKey BaseRegCreateKey BaseRegDeleteKey BaseRegDeleteValue BaseRegEnumKey "
     "BaseRegEnumValue BaseRegFlushKey BaseRegGetKeySecurity BaseRegLoadKey "
     "BaseRegNotifyChangeKeyValue BaseRegOpenKey BaseRegQueryInfoKey BaseRegQueryValue "
     "BaseRegReplaceKey BaseRegRestoreKey BaseRegSaveKey BaseRegSetKeySecurity "
     "BaseRegSetValue BaseRegUnLoadKey BaseInitiateSystemShutdown BaseAbortSystemShutdown "
     "BaseRegGetVersion OpenCurrentConfig OpenDynData BaseRegQueryMultipleValues "
     "BaseInitiateSystemShutdownEx BaseRegSaveKeyEx OpenPerformanceText "
     "OpenPerformanceNlsText BaseRegQueryMultipleValues2 BaseRegDeleteKeyEx"},
    {"12345678-1234-abcd-ef00-0123456789ab", "spoolss",  // MS-RPRN
     "RpcEnumPrinters RpcOpenPrinter RpcSetJob RpcGetJob RpcEnumJobs RpcAddPrinter "
     "RpcDeletePrinter RpcSetPrinter RpcGetPrinter RpcAddPrinterDriver "
     "RpcEnumPrinterDrivers RpcGetPrinterDriver RpcGetPrinterDriverDirectory "
     "RpcDeletePrinterDriver RpcAddPrintProcessor RpcEnumPrintProcessors "
     "RpcGetPrintProcessorDirectory RpcStartDocPrinter RpcStartPagePrinter RpcWritePrinter "
     "RpcEndPagePrinter RpcAbortPrinter RpcReadPrinter RpcEndDocPrinter RpcAddJob "
     "RpcScheduleJob RpcGetPrinterData RpcSetPrinterData RpcWaitForPrinterChange "
     "RpcClosePrinter RpcAddForm RpcDeleteForm RpcGetForm RpcSetForm RpcEnumForms "
     "RpcEnumPorts RpcEnumMonitors RpcAddPort RpcConfigurePort RpcDeletePort "
     "RpcCreatePrinterIC RpcPlayGdiScriptOnPrinterIC RpcDeletePrinterIC "
     "RpcAddPrinterConnection RpcDeletePrinterConnection RpcPrinterMessageBox "
     "RpcAddMonitor RpcDeleteMonitor RpcDeletePrintProcessor RpcAddPrintProvidor "
     "RpcDeletePrintProvidor RpcEnumPrintProcessorDatatypes RpcResetPrinter "
     "RpcGetPrinterDriver2 RpcClientFindFirstPrinterChangeNotification "
     "RpcFindNextPrinterChangeNotification RpcFindClosePrinterChangeNotification "
     "RpcRouterFindFirstPrinterChangeNotificationOld RpcReplyOpenPrinter "
     "RpcRouterReplyPrinter RpcReplyClosePrinter RpcAddPortEx "
     "RpcRemoteFindFirstPrinterChangeNotification RpcSpoolerInit RpcResetPrinterEx "
     "RpcRemoteFindFirstPrinterChangeNotificationEx RpcRouterReplyPrinterEx "
     "RpcRouterRefreshPrinterChangeNotification RpcSetAllocFailCount RpcOpenPrinterEx "
     "RpcAddPrinterEx RpcSetPort RpcEnumPrinterData RpcDeletePrinterData "
     "RpcClusterSplOpen RpcClusterSplClose RpcClusterSplIsAlive RpcSetPrinterDataEx "
     "RpcGetPrinterDataEx RpcEnumPrinterDataEx RpcEnumPrinterKey RpcDeletePrinterDataEx "
     "RpcDeletePrinterKey RpcSeekPrinter RpcDeletePrinterDriverEx "
     "RpcAddPerMachineConnection RpcDeletePerMachineConnection "
     "RpcEnumPerMachineConnections RpcXcvData RpcAddPrinterDriverEx"},
    {"76f03f96-cdfd-44fc-a22c-64950a001209", "IRemoteWinspool",  // MS-PAR
     "RpcAsyncOpenPrinter RpcAsyncAddPrinter RpcAsyncSetJob RpcAsyncGetJob RpcAsyncEnumJobs "
     "RpcAsyncAddJob RpcAsyncScheduleJob RpcAsyncDeletePrinter RpcAsyncSetPrinter "
     "RpcAsyncGetPrinter RpcAsyncStartDocPrinter RpcAsyncStartPagePrinter "
     "RpcAsyncWritePrinter RpcAsyncEndPagePrinter RpcAsyncEndDocPrinter "
     "RpcAsyncAbortPrinter RpcAsyncGetPrinterData RpcAsyncGetPrinterDataEx "
     "RpcAsyncSetPrinterData RpcAsyncSetPrinterDataEx RpcAsyncClosePrinter RpcAsyncAddForm "
     "RpcAsyncDeleteForm RpcAsyncGetForm RpcAsyncSetForm RpcAsyncEnumForms "
     "RpcAsyncGetPrinterDriver RpcAsyncEnumPrinterData RpcAsyncEnumPrinterDataEx "
     "RpcAsyncEnumPrinterKey RpcAsyncDeletePrinterData RpcAsyncDeletePrinterDataEx "
     "RpcAsyncDeletePrinterKey RpcAsyncXcvData RpcAsyncSendRecvBidiData "
     "RpcAsyncCreatePrinterIC RpcAsyncPlayGdiScriptOnPrinterIC RpcAsyncDeletePrinterIC "
     "RpcAsyncEnumPrinters RpcAsyncAddPrinterDriver"},
    {"99fcfec4-5260-101b-bbcb-00aa0021347a", "IObjectExporter",  // MS-DCOM, also IOXIDResolver
     "ResolveOxid SimplePing ComplexPing ServerAlive ResolveOxid2 ServerAlive2"},
    {"4d9f4ab8-7d1c-11cf-861e-0020af6e7c57", "IActivation", "RemoteActivation"},
    {"000001a0-0000-0000-c000-000000000046", "IRemoteSCMActivator",
     "QueryInterfaceIRemoteSCMActivator AddRefIRemoteISCMActivator "
     "ReleaseIRemoteISCMActivator RemoteGetClassObject RemoteCreateInstance"},
    {"00000131-0000-0000-c000-000000000046", "IRemUnknown",
     "QueryInterface AddRef Release RemQueryInterface RemAddRef RemRelease"},
    {"00000143-0000-0000-c000-000000000046", "IRemUnknown2",
     "QueryInterface AddRef Release RemQueryInterface RemAddRef RemRelease "
     "RemQueryInterface2"},
    {"00020400-0000-0000-c000-000000000046", "IDispatch",  // MS-OAUT
     "QueryInterface AddRef Release GetTypeInfoCount GetTypeInfo GetIDsOfNames Invoke"},
    {"9556dc99-828c-11cf-a37e-00aa003240c7", "IWbemServices",  // MS-WMI
     "QueryInterface AddRef Release OpenNamespace CancelAsyncCall QueryObjectSink GetObject "
     "GetObjectAsync PutClass PutClassAsync DeleteClass DeleteClassAsync CreateClassEnum "
     "CreateClassEnumAsync PutInstance PutInstanceAsync DeleteInstance DeleteInstanceAsync "
     "CreateInstanceEnum CreateInstanceEnumAsync ExecQuery ExecQueryAsync "
     "ExecNotificationQuery ExecNotificationQueryAsync ExecMethod ExecMethodAsync"},
    {"f309ad18-d86a-11d0-a075-00c04fb68820", "IWbemLevel1Login",
     "QueryInterface AddRef Release EstablishPosition RequestChallenge WBEMLogin NTLMLogin"},
    {"d4781cd6-e5d3-44df-ad94-930efe48a887", "IWbemLoginClientID",
     "QueryInterface AddRef Release SetClientInfo"},
    {"027947e1-d731-11ce-a357-000000000001", "IEnumWbemClassObject",
     "QueryInterface AddRef Release Reset Next NextAsync Clone Skip"},
    {"44aca675-e8fc-11d0-a07c-00c04fb68820", "IWbemCallResult",
     "QueryInterface AddRef Release GetResultObject GetResultString GetResultServices "
     "GetCallStatus"},
    {"7c857801-7381-11cf-884d-00aa004b2e24", "IWbemObjectSink",
     "QueryInterface AddRef Release Indicate SetStatus"},
    {"1c1c45ee-4395-11d2-b60b-00104b703efd", "IWbemFetchSmartEnum",
     "QueryInterface AddRef Release GetSmartEnum"},
    {"423ec01e-2e35-11d2-b604-00104b703efd", "IWbemWCOSmartEnum",
     "QueryInterface AddRef Release Next"},
    {"541679ab-2e5f-11d3-b34e-00104bcc4b4a", "IWbemLoginHelper",
     "QueryInterface AddRef Release SetEvent"},
    {"2c9273e0-1dc3-11d3-b364-00105a1f8177", "IWbemRefreshingServices",
     "QueryInterface AddRef Release AddObjectToRefresher AddObjectToRefresherByTemplate "
     "AddEnumToRefresher RemoveObjectFromRefresher GetRemoteRefresher ReconnectRemoteRefresher"},
    {"f1e9c5b2-f59b-11d2-b362-00105a1f8177", "IWbemRemoteRefresher",
     "QueryInterface AddRef Release RemoteRefresh StopRefreshing OpenEnum"},
    {"3919286a-b10c-11d0-9ba8-00c04fd92ef5", "dssetup",  // MS-DSSP
     "DsRolerGetPrimaryDomainInformation DsRolerDnsNameToFlatName DsRolerDcAsDc "
     "DsRolerDcAsReplica DsRolerDemoteDc DsRolerGetDcOperationProgress "
     "DsRolerGetDcOperationResults DsRolerCancel DsRolerServerSaveStateForUpgrade "
     "DsRolerUpgradeDownlevelServer DsRolerAbortDownlevelServerUpgrade"},
    {"4fc742e0-4a10-11cf-8273-00aa004ae673", "netdfs",  // MS-DFSNM
     "NetrDfsManagerGetVersion NetrDfsAdd NetrDfsRemove NetrDfsSetInfo NetrDfsGetInfo "
     "NetrDfsEnum NetrDfsMove NetrDfsRename NetrDfsManagerGetConfigInfo "
     "NetrDfsManagerSendSiteInfo NetrDfsAddFtRoot NetrDfsRemoveFtRoot NetrDfsAddStdRoot "
     "NetrDfsRemoveStdRoot NetrDfsManagerInitialize NetrDfsAddStdRootForced NetrDfsGetDcAddress "
     "NetrDfsSetDcAddress NetrDfsFlushFtTable NetrDfsAdd2 NetrDfsRemove2 NetrDfsEnumEx "
     "NetrDfsSetInfo2"},
    {"6bffd098-a112-3610-9833-012892020162", "browser",
     "BrowserrServerEnum BrowserrDebugCall BrowserrQueryOtherDomains "
     "BrowserrResetNetlogonState BrowserrDebugTrace BrowserrQueryStatistics "
     "BrowserResetStatistics NetrBrowserStatisticsClear NetrBrowserStatisticsGet "
     "BrowserrSetNetlogonState BrowserrQueryEmulatedDomains BrowserrServerEnumEx"},
    {"82273fdc-e32a-18c3-3f78-827929dc23ea", "eventlog",  // MS-EVEN
     "ElfrClearELFW ElfrBackupELFW ElfrCloseEL ElfrDeregisterEventSource "
     "ElfrNumberOfRecords ElfrOldestRecord ElfrChangeNotify ElfrOpenELW "
     "ElfrRegisterEventSourceW ElfrOpenBELW ElfrReadELW ElfrReportEventW ElfrClearELFA "
     "ElfrBackupELFA ElfrOpenELA ElfrRegisterEventSourceA ElfrOpenBELA ElfrReadELA "
     "ElfrReportEventA ElfrRegisterClusterSvc ElfrDeregisterClusterSvc "
     "ElfrWriteClusterEvents ElfrGetLogInformation ElfrFlushEL ElfrReportEventAndSourceW"},
    {"894de0c0-0d55-11d3-a322-00c04fa321a1", "InitShutdown",
     "BaseInitiateShutdown BaseAbortShutdown BaseInitiateShutdownEx"},
    {"d95afe70-a6d5-4259-822e-2c84da1ddb0d", "WindowsShutdown",
     "WsdrInitiateShutdown WsdrAbortShutdown"},
    {"3dde7c30-165d-11d1-ab8f-00805f14db40", "BackupKey", "bkrp_BackupKey"},
    {"c681d488-d850-11d0-8c52-00c04fd90f7e", "efsrpc",  // MS-EFSR
     "EfsRpcOpenFileRaw EfsRpcReadFileRaw EfsRpcWriteFileRaw EfsRpcCloseRaw "
     "EfsRpcEncryptFileSrv EfsRpcDecryptFileSrv EfsRpcQueryUsersOnFile "
     "EfsRpcQueryRecoveryAgents EfsRpcRemoveUsersFromFile EfsRpcAddUsersToFile "
     "EfsRpcSetFileEncryptionKey EfsRpcNotSupported EfsRpcFileKeyInfo "
     "EfsRpcDuplicateEncryptionInfoFile - EfsRpcAddUsersToFileEx EfsRpcFileKeyInfoEx - "
     "EfsRpcGetEncryptedFileMetadata EfsRpcSetEncryptedFileMetadata EfsRpcFlushEfsCache"},
    {"df1941c5-fe89-4e79-bf10-463657acf44d", "efsrpc",
     "EfsRpcOpenFileRaw EfsRpcReadFileRaw EfsRpcWriteFileRaw EfsRpcCloseRaw "
     "EfsRpcEncryptFileSrv EfsRpcDecryptFileSrv EfsRpcQueryUsersOnFile "
     "EfsRpcQueryRecoveryAgents EfsRpcRemoveUsersFromFile EfsRpcAddUsersToFile "
     "EfsRpcSetFileEncryptionKey EfsRpcNotSupported EfsRpcFileKeyInfo "
     "EfsRpcDuplicateEncryptionInfoFile"},
    {"a8e0653c-2744-4389-a61d-7373df8b2292", "FssagentRpc",  // MS-FSRVP
     "GetSupportedVersion SetContext StartShadowCopySet AddToShadowCopySet "
     "CommitShadowCopySet ExposeShadowCopySet RecoveryCompleteShadowCopySet "
     "AbortShadowCopySet IsPathSupported IsPathShadowCopied GetShareMapping DeleteShareMapping "
     "PrepareShadowCopySet"},
    {"50abc2a4-574d-40b3-9d66-ee4fd5fba076", "dnsserver",  // MS-DNSP
     "DnssrvOperation DnssrvQuery DnssrvComplexOperation DnssrvEnumRecords "
     "DnssrvUpdateRecord DnssrvOperation2 DnssrvQuery2 DnssrvComplexOperation2 "
     "DnssrvEnumRecords2 DnssrvUpdateRecord2"},
    {"91ae6020-9e3c-11cf-8d7c-00aa00c091be", "ICertPassage", "CertServerRequest"},
    {"f5cc5a18-4264-101a-8c59-08002b2f8426", "nspi",  // MS-OXNSPI
     "NspiBind NspiUnbind NspiUpdateStat NspiQueryRows NspiSeekEntries NspiGetMatches "
     "NspiResortRestriction NspiDNToEph NspiGetPropList NspiGetProps NspiCompareDNTs "
     "NspiModProps NspiGetHierarchyInfo NspiGetTemplateInfo NspiModLinkAttr "
     "NspiDeleteEntries NspiQueryColumns NspiGetNamesFromIDs NspiGetIDsFromNames "
     "NspiResolveNames NspiResolveNamesW"},
    {"a4f1db00-ca47-1067-b31f-00dd010662da", "exchange_mapi",  // MS-OXCRPC
     "EcDoConnect EcDoDisconnect EcDoRpc EcGetMoreRpc EcRRegisterPushNotification "
     "EcRUnregisterPushNotification EcDummyRpc EcRGetDCName EcRNetGetDCName EcDoRpcExt "
     "EcDoConnectEx EcDoRpcExt2 EcUnknown0xC EcUnknown0xD EcDoAsyncConnectEx"},
    {"5261574a-4572-206e-b268-6b199213b4e4", "AsyncEMSMDB", "- EcDoAsyncWaitEx"},
    {"1544f5e0-613c-11d1-93df-00c04fd7bd09", "exchange_rfr", "RfrGetNewDSA RfrGetFQDNFromServerDN"},
    {"f5cc59b4-4264-101a-8c59-08002b2f8426", "FrsRpc",
     "FrsRpcSendCommPkt FrsRpcVerifyPromotionParent FrsRpcStartPromotionParent FrsNOP"},
    {"17fdd703-1827-4e34-79d4-24a55c53bb37", "msgsvc",
     "NetrMessageNameAdd NetrMessageNameEnum NetrMessageNameGetInfo NetrMessageNameDel"},
    {"8d9f4e40-a03d-11ce-8f69-08003e30051b", "pnp", ""},
    {"5ca4a760-ebb1-11cf-8611-00a0245420ed", "winstation_rpc", ""},
    {"12b81e99-f207-4a4c-85d3-77b42f76fd14", "ISeclogon", "SeclCreateProcessWithLogonW"},
    {"3c4728c5-f0ab-448b-bda1-6ce01eb0a6d5", "RpcSrvDHCPC", ""},
    {"45f52c28-7f9f-101a-b52b-08002b2efabe", "winspipe", ""},
    {"342cfd40-3c6c-11ce-a893-08002b2e9c6d", "llsrpc", ""},
    {"906b0ce0-c70b-1067-b317-00dd010662da", "IXnRemote",
     "Poke BuildContext NegotiateResources SendReceive TearDownContext BeginTearDown PokeW "
     "BuildContextW"},
    {"0b6edbfa-4a24-4fc6-8a23-942b1eca65d1", "IRPCAsyncNotify", ""},
    {"ae33069b-a2a8-46ee-a235-ddfd339be281", "IRPCRemoteObject", ""},
    {"f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "IEventService",  // MS-EVEN6
     "EvtRpcRegisterRemoteSubscription EvtRpcRemoteSubscriptionNextAsync "
     "EvtRpcRemoteSubscriptionNext EvtRpcRemoteSubscriptionWaitAsync "
     "EvtRpcRegisterControllableOperation EvtRpcRegisterLogQuery EvtRpcClearLog "
     "EvtRpcExportLog"},
    {"2f5f6521-ca47-1068-b319-00dd010662db", "remotesp", "ClientAttach ClientRequest ClientDetach"},
};
static_assert(std::size(kInterfaces) < kUnknownInterface);

constexpr uint8_t nibble(char c) noexcept {
  return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}
using Uuids = std::array<std::array<uint8_t, 16>, std::size(kInterfaces)>;
constexpr Uuids uuids() noexcept {
  Uuids all{};
  for (size_t i = 0; i < all.size(); ++i) {
    size_t n = 0;
    for (const char c : kInterfaces[i].uuid) {
      if (c == '-') continue;
      all[i][n / 2] = static_cast<uint8_t>(all[i][n / 2] << 4 | nibble(c));
      ++n;
    }
  }
  return all;
}
constexpr Uuids kUuids = uuids();

template <size_t N>
std::string_view nth(const std::string_view (&names)[N], size_t i) noexcept {
  return i < N ? names[i] : std::string_view();
}

}  // namespace

uint8_t rpc_interface(Bytes uuid) noexcept {
  for (size_t i = 0; i < kUuids.size(); ++i) {
    if (std::equal(uuid.begin(), uuid.end(), kUuids[i].begin(), kUuids[i].end())) {
      return static_cast<uint8_t>(i);
    }
  }
  return kUnknownInterface;
}

std::string_view rpc_endpoint(uint8_t interface) noexcept {
  return interface < std::size(kInterfaces) ? kInterfaces[interface].endpoint : std::string_view();
}

std::string_view rpc_operation(uint8_t interface, uint16_t opnum) noexcept {
  if (interface >= std::size(kInterfaces)) return {};
  std::string_view left = kInterfaces[interface].operations;
  for (; opnum != 0 && !left.empty(); --opnum) {
    const size_t end = left.find(' ');
    left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
  }
  const std::string_view name = left.substr(0, left.find(' '));
  return name == "-" ? std::string_view() : name;
}

std::string_view rpc_pdu_name(uint8_t type) noexcept {
  constexpr std::string_view kNames[] = {
      "REQUEST",   "PING",     "RESPONSE",      "FAULT",
      "WORKING",   "NOCALL",   "REJECT",        "ACK",
      "CL_CANCEL", "FACK",     "CANCEL_ACK",    "BIND",
      "BINDACK",   "BINDNAK",  "ALTER_CONTEXT", "ALTER_CONTEXT_RESP",
      "AUTH3",     "SHUTDOWN", "CO_CANCEL",     "ORPHANED"};
  return nth(kNames, type);
}

std::string_view rpc_auth_name(uint8_t type) noexcept {
  switch (type) {
    case 9:
      return "spnego";
    case 10:
      return "ntlmssp";
    case 14:
      return "schannel";
    case 16:
      return "kerberos";
    case 68:
      return "netlogon";
    default:
      return {};
  }
}

std::string_view rpc_level_name(uint8_t level) noexcept {
  constexpr std::string_view kNames[] = {"",       "none",      "connect", "call",
                                         "packet", "integrity", "privacy"};
  return nth(kNames, level);
}

}  // namespace weir::parse
