import { createContext, type ReactNode, useContext } from 'react'
import { useHasNamespaces } from './namespaces'

const ShownContext = createContext(false)

/** Lets the labels inside appear, if there are several namespaces: one look for all rows of a list. */
export function NamespaceLabels({ children }: { children: ReactNode }) {
  return <ShownContext value={useHasNamespaces()}>{children}</ShownContext>
}

/** The namespace of an object. */
export function NamespaceLabel({ name }: { name: string }) {
  if (!useContext(ShownContext)) return null
  return (
    <span title={`Namespace ${name}`} className="max-w-32 shrink-0 truncate rounded border px-1.5 text-2xs text-muted">
      {name}
    </span>
  )
}
