metadata description = 'Tells when a tenant behind the relay has fewer agents than it should.'

import { relayTenant } from 'relay.bicep'

@description('Required. Name of the relay namespace.')
param name string

@description('Required. Tags.')
param tags { *: string }

@description('Required. The tenants.')
param tenants relayTenant[]

@description('Required. Resource id of the group of people who are told.')
param actionGroupId string

resource namespace 'Microsoft.Relay/namespaces@2024-01-01' existing = {
  name: name
}

resource missing 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for tenant in tenants: {
    name: '${name}-${tenant.tenant}-agents'
    location: 'global'
    tags: tags
    properties: {
      description: 'Fewer than ${tenant.listeners} agents of the tenant ${tenant.tenant} are connected.'
      enabled: true
      severity: 2
      scopes: [namespace.id]
      evaluationFrequency: 'PT1M'
      windowSize: 'PT1M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: 'agents'
            criterionType: 'StaticThresholdCriterion'
            metricName: 'ActiveListeners'
            dimensions: [{ name: 'EntityName', operator: 'Include', values: [tenant.tenant] }]
            // The metric can only be summed up, and comes once a minute: over a longer window it would count minutes.
            timeAggregation: 'Total'
            operator: 'LessThan'
            threshold: tenant.listeners
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]
