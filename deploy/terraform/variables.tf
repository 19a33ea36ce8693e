variable "project" {
  description = "The project everything is in."
  type        = string
}

variable "region" {
  description = "Where the instance is; its standby is in another zone of it."
  type        = string
  default     = "europe-west1"
}

variable "network" {
  description = "The network whose machines reach the instance: its self link."
  type        = string
}

variable "name" {
  description = "What the instance is called."
  type        = string
  default     = "perdure"
}

variable "database_version" {
  description = "PostgreSQL's version. The community's support of 14 has ended in November 2026, and Perdure needs 15 or later."
  type        = string
  default     = "POSTGRES_17"

  validation {
    condition     = contains(["POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"], var.database_version)
    error_message = "Perdure needs PostgreSQL 15 or later: 14 gets no more corrections since November 2026."
  }
}

variable "tier" {
  description = "The machine: processors and memory."
  type        = string
  default     = "db-custom-4-16384"
}

variable "passwords" {
  description = "The secret of Secret Manager that holds each user's password."
  type        = map(string)
  default = {
    perdure  = "perdure-database-password"
    temporal = "temporal-database-password"
  }
}
