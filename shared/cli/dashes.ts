/**
 * The two dashes after `npm run SCRIPT`, before the options of the script.
 * `npm.ps1`, which PowerShell starts on Windows, drops unquoted dashes: https://github.com/npm/cli/issues/4903.
 * PowerShell and cmd both remove double quotes.
 */
export const dashes = (platform = process.platform): string => (platform === 'win32' ? '"--"' : '--')
