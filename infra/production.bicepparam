// For an identity provider that people depend on: two instances are always awake, a zone may fail, somebody is told.
using 'main.bicep'

// Azure keeps two where an app is spread over zones.
param alwaysReadyInstances = 2
param zoneRedundant = true
param logRetentionDays = 90
param dailyLogQuotaGb = -1
param auditTables = true
param alertEmails = ['identity-operations@example.com']
