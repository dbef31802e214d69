// For a trial and for small organisations. It costs almost nothing without requests, and can be removed completely.
using 'main.bicep'

param instanceMemoryMB = 512
param purgeProtection = false
param dailyLogQuotaGb = 1
