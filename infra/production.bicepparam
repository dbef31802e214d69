// For an identity provider that people depend on: one instance is always awake, two zones may fail, somebody is told.
using 'main.bicep'

param alwaysReadyInstances = 1
param zoneRedundant = true
param logRetentionDays = 90
param dailyLogQuotaGb = -1
param auditTables = true
param alertEmails = ['identity-operations@example.com']
