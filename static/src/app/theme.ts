// Light, dark, or as the system says; kept in this browser.

import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'horolog.theme'
const listeners = new Set<() => void>()

/** Applies what was chosen before; called before the first paint. */
export function startTheme() {
  apply(read())
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', announce)
}

/** The choice, and how to change it. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  return [useSyncExternalStore(subscribe, read), choose]
}

/** Calls back when the colours change, for what draws them itself. */
export function onColoursChange(listener: () => void) {
  return subscribe(listener)
}

function choose(theme: Theme) {
  localStorage.setItem(KEY, theme)
  apply(theme)
  announce()
}

function read(): Theme {
  const kept = localStorage.getItem(KEY)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

function apply(theme: Theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

function announce() {
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
