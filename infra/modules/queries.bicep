metadata description = 'Queries for administrators, saved in the workspace. Each is a file in infra/queries.'

@description('Required. Name of the Log Analytics workspace.')
param workspaceName string

var queries = [
  { name: 'failures', title: 'Rollcall: who failed and why', text: loadTextContent('../queries/failures.kql') }
  { name: 'latency', title: 'Rollcall: latency and storage requests', text: loadTextContent('../queries/latency.kql') }
  { name: 'throttling', title: 'Rollcall: outages and throttling', text: loadTextContent('../queries/throttling.kql') }
  {
    name: 'quarantine-risk'
    title: 'Rollcall: jobs that may go into quarantine'
    text: loadTextContent('../queries/quarantine-risk.kql')
  }
  {
    name: 'losses'
    title: 'Rollcall: who lost very many people or groups'
    text: loadTextContent('../queries/losses.kql')
  }
  {
    name: 'quirks'
    title: 'Rollcall: what clients send that RFC 7644 does not have'
    text: loadTextContent('../queries/quirks.kql')
  }
  {
    name: 'exceptions'
    title: 'Rollcall: what was behind an error'
    text: loadTextContent('../queries/exceptions.kql')
  }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource saved 'Microsoft.OperationalInsights/workspaces/savedSearches@2025-07-01' = [
  for query in queries: {
    parent: workspace
    name: 'rollcall-${query.name}'
    properties: {
      category: 'Rollcall'
      displayName: query.title
      query: query.text
      version: 2
    }
  }
]
