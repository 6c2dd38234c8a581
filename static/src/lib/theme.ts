// Light, dark, or the colours of the system; kept in this browser.

import { storedChoice } from './stored-choice'

export type Theme = 'system' | 'light' | 'dark'

const theme = storedChoice<Theme>('horolog.theme', ['system', 'light', 'dark'], apply)

/** Applies the stored choice; called before the first paint. */
export function startTheme() {
  apply(theme.read())
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', theme.announce)
}

/** The choice, and how to change it. */
export const useTheme = theme.useChoice

/** Calls back when the colours change, for components that draw on a canvas. */
export const onColoursChange = theme.subscribe

function apply(chosen: Theme) {
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}
