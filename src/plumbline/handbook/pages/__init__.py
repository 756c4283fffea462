"""The generated pages: written before a build, so that no builder needs a plugin of ours."""
