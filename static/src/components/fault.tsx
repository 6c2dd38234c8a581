import type { ReactNode } from 'react'

/** An error of a form that belongs to no field; read out when it appears. Empty without one. */
export function Fault({ children }: { children: ReactNode }) {
  if (!children) return null
  return (
    <p role="alert" className="text-bad text-sm [overflow-wrap:anywhere]">
      {children}
    </p>
  )
}
