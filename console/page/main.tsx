import { render } from 'preact'
import { App } from './app.tsx'
import { keyInAddress } from './session.ts'

const root = document.getElementById('app')
if (root !== null) render(<App linkKey={keyInAddress()} />, root)
