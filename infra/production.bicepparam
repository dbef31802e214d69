// For production: two instances are always ready, the loss of a zone is survived, and alerts are sent.
using 'main.bicep'

// Azure keeps two instances if an app is spread over zones.
param alwaysReadyInstances = 2
param zoneRedundant = true
param logRetentionDays = 90
param dailyLogQuotaGb = -1
param auditTables = true
param alertEmails = ['identity-operations@example.com']
