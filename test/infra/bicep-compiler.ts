import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const version = '0.49.2'
const cache = fileURLToPath(new URL(`../../node_modules/.cache/bicep/${version}`, import.meta.url))

const systems: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'osx', win32: 'win' }
const packageName = `Azure.Bicep.CommandLine.${systems[process.platform]}-${process.arch}`

/** A NuGet project that only downloads the package. */
const project = `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>netstandard2.0</TargetFramework><DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences></PropertyGroup>
  <ItemGroup><PackageDownload Include="${packageName}" Version="[${version}]" /></ItemGroup>
</Project>
`

/** The compiler is a NuGet package, which the .NET SDK downloads. */
export const hasDotnet = spawnSync('dotnet', ['--version']).status === 0

/** The path of the Bicep compiler. It is restored from NuGet if it is not in the cache yet. */
export function restoreBicep(): string {
	const packages = join(cache, 'packages')
	const bicep = join(packages, packageName.toLowerCase(), version, 'tools', 'bicep')
	if (existsSync(bicep)) return bicep
	mkdirSync(cache, { recursive: true })
	writeFileSync(join(cache, 'bicep.csproj'), project)
	execFileSync('dotnet', ['restore', join(cache, 'bicep.csproj'), '--packages', packages], {
		env: { ...process.env, DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1' },
	})
	return bicep
}
