// For trying it out, and for small organisations: costs next to nothing while nobody calls, and can be removed without a trace.
using 'main.bicep'

param instanceMemoryMB = 512
param purgeProtection = false
param dailyLogQuotaGb = 1
