import { createRequire } from 'node:module'

// Kusto's own parser and binder, by Microsoft, made from its C# and without types that a compiler could use here.
type List<T> = { readonly Count: number; getItem(index: number): T }
type Diagnostic = { readonly Message: string; readonly Start: number; readonly Length: number }
type Globals = { WithDatabase(database: object): Globals }
type Language = {
	readonly GlobalState: { readonly Default: Globals }
	readonly KustoCode: { ParseAndAnalyze(text: string, globals: Globals): { GetDiagnostics(): List<Diagnostic> } }
	readonly Symbols: {
		readonly TableSymbol: { readonly $ctor7: new (name: string, schema: string, description: string) => object }
		readonly DatabaseSymbol: { readonly ctor: new (name: string, tables: readonly object[]) => object }
	}
}

const require = createRequire(import.meta.url)
require('@kusto/language-service-next/bridge.min.js')
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js')
const { Language } = Reflect.get(globalThis, 'Kusto') as { readonly Language: Language } // sound: what the files define
const { GlobalState, KustoCode, Symbols } = Language

/** Columns that several tables have. */
const common =
	'AppRoleInstance:string, AppRoleName:string, AppVersion:string, _BilledSize:real, ClientBrowser:string, ClientCity:string, ClientCountryOrRegion:string, ClientIP:string, ClientModel:string, ClientOS:string, ClientStateOrProvince:string, ClientType:string, IKey:string, _IsBillable:string, ItemCount:int, Measurements:dynamic, OperationId:string, OperationName:string, ParentId:string, Properties:dynamic, ResourceGUID:string, _ResourceId:string, SDKVersion:string, SessionId:string, SourceSystem:string, _SubscriptionId:string, SyntheticSource:string, TenantId:string, TimeGenerated:datetime, Type:string, UserAccountId:string, UserAuthenticatedId:string, UserId:string'

/** The tables that queries ask, as Microsoft's reference has them: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces */
const tables = {
	AppTraces: `${common}, Message:string, ReferencedItemId:string, ReferencedType:string, SeverityLevel:int`,
	AppExceptions: `${common}, Assembly:string, Details:dynamic, ExceptionType:string, HandledAt:string, InnermostAssembly:string, InnermostMessage:string, InnermostMethod:string, InnermostType:string, Message:string, Method:string, OuterAssembly:string, OuterMessage:string, OuterMethod:string, OuterType:string, ProblemId:string, SeverityLevel:int`,
	/** The tables of an alert on Application Insights, which still have their older names. */
	traces:
		'application_Version:string, cloud_RoleInstance:string, cloud_RoleName:string, customDimensions:dynamic, itemCount:int, itemId:string, itemType:string, message:string, operation_Id:string, operation_Name:string, severityLevel:int, timestamp:datetime',
	requests:
		'application_Version:string, client_Browser:string, client_City:string, client_CountryOrRegion:string, client_IP:string, client_Model:string, client_OS:string, client_StateOrProvince:string, client_Type:string, cloud_RoleInstance:string, cloud_RoleName:string, customDimensions:dynamic, customMeasurements:dynamic, duration:real, id:string, itemCount:int, itemId:string, name:string, operation_Id:string, operation_Name:string, operation_ParentId:string, operation_SyntheticSource:string, performanceBucket:string, resultCode:string, sdkVersion:string, session_Id:string, source:string, success:bool, timestamp:datetime, url:string, user_AccountId:string, user_AuthenticatedId:string, user_Id:string',
}

const globals = GlobalState.Default.WithDatabase(
	new Symbols.DatabaseSymbol.ctor(
		'logs',
		Object.entries(tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, `(${columns})`, '')),
	),
)

/** The errors that Kusto finds in a query, with their positions. */
export function faultsOf(query: string): readonly string[] {
	const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics()
	return Array.from({ length: found.Count }, (_, index) => {
		const { Message, Start, Length } = found.getItem(index)
		return `${query.slice(Start, Start + Length)}: ${Message}`
	})
}
